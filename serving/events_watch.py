"""Whether the event log answers, asked about once a second, beside the calls that need it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from schemas.errors import RillrecError
from serving.ending import end
from serving.event_log import EventLog

_EVERY_S = 1.0

_log = logging.getLogger(__name__)


class EventsWatch:
    """Asks the event log again and again, and logs when it goes and when it is back.

    Parameters
    ----------
    log
        Returns the event log to ask.

    Attributes
    ----------
    answers
        Whether it answered when it was asked last; not until then.
    """

    def __init__(self, log: Callable[[], EventLog]) -> None:
        self._log_of = log
        self.answers = False
        self._told = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start asking, on the running loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ask no more."""
        await end(self._task)

    async def _run(self) -> None:
        while True:
            trouble = ""
            try:
                await self._log_of().ping()
            except RillrecError as error:
                trouble = str(error)
            except Exception as error:  # the boundary of the task: health must go on being told
                _log.exception("the event log can't be asked, for a reason that nobody foresaw")
                trouble = str(error) or type(error).__name__
            self.answers = not trouble
            self._tell(trouble)
            await asyncio.sleep(_EVERY_S)

    def _tell(self, trouble: str) -> None:
        if trouble and not self._told:
            _log.warning("events can't be stored: %s", trouble)
        elif self._told and not trouble:
            _log.warning("events can be stored again")
        self._told = trouble
