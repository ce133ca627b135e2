"""Signals that end a process in order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Terminated(BaseException):
    """Somebody asked this process to end, by SIGTERM or by closing its terminal."""


class Ending:
    """The signals that have come.

    Parameters
    ----------
    patient
        The first is only noted, until ``check`` is called.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self._came: list[int] = []
        self._patient = patient

    def take(self, number: int, frame: FrameType | None) -> None:
        """Note a signal and raise what it stands for."""
        self._came.append(number)
        if not self._patient or len(self._came) > 1:
            self.check()

    def check(self) -> None:
        """Raise again what a signal stands for: Python drops what is raised in a ``__del__``.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C was pressed.
        Terminated
            Another of the signals came.
        """
        if self._came:
            raise KeyboardInterrupt if self._came[0] == signal.SIGINT else Terminated


@contextmanager
def orderly_end(*, patient: bool = False) -> Iterator[Ending]:
    """Turn SIGTERM and SIGHUP into ``Terminated``, raised in the block, and swallow it there.

    The block's own ``finally`` and ``with`` clean up; after it the process ends with code 0, as
    it did what it was asked to. Ctrl-C stays ``KeyboardInterrupt``. Loops call ``check``.
    """
    ending = Ending(patient=patient)
    before = {number: signal.signal(number, ending.take) for number in _ENDING}
    try:
        yield ending
    except Terminated:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
