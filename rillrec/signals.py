"""Signals that end a process in order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class Terminated(BaseException):
    """Somebody asked this process to end, by SIGTERM or by closing its terminal."""


@contextmanager
def orderly_end() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into ``Terminated``, raised in the block, and swallow it there.

    The block's own ``finally`` and ``with`` clean up; after it the process ends with code 0, as
    it did what it was asked to. Ctrl-C stays ``KeyboardInterrupt``.
    """

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise Terminated

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except Terminated:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
