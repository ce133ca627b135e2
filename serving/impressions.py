"""Slates that were served, on their way to the event log: behind the replies, not in their way."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from schemas.errors import RillrecError
from serving.ending import end
from serving.event_log import Entry, EventLog
from serving.shown import Shown, impression

MOST_ITEMS = 50_000
"""Items of slates that may wait: 2,500 slates of 20, some 25 MB."""
AT_ONCE = 50
_FLUSH_S = 2.0

_log = logging.getLogger(__name__)
Count = Callable[[str, int], None]


class Impressions:
    """Sends an impression event for each slate, in the background, a batch at a time.

    While one batch is on its way, the next ones wait, 50,000 items at most; what finds no room is
    dropped, and so is what the log has no room for. Nothing is sent twice.

    Parameters
    ----------
    log
        Returns the event log to send to.
    count
        Told what became of how many slates: ``sent``, ``dropped`` or ``failed``.
    gather_s
        How long the first slate of a batch waits for others. Longer spares round trips.
    """

    def __init__(self, log: Callable[[], EventLog], *, count: Count, gather_s: float = 0.1) -> None:
        self._log_of, self._count, self._gather_s = log, count, gather_s
        self._waiting: deque[Shown] = deque()
        self._items = 0
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._trouble = ""

    @property
    def queued(self) -> int:
        """Slates that wait to be sent."""
        return len(self._waiting)

    def note(self, shown: Shown) -> None:
        """Take a slate in. It costs the reply next to nothing, and can't fail it."""
        count = len(shown.slate.items)
        if self._items + count > MOST_ITEMS:
            self._count("dropped", 1)
            return
        self._waiting.append(shown)
        self._items += count
        self._idle.clear()
        self._news.set()

    def forget(self, user_id: str) -> None:
        """Drop what a user was shown, as far as it is not on its way yet."""
        kept = [shown for shown in self._waiting if shown.user_id != user_id]
        if len(kept) < len(self._waiting):
            self._lose(len(self._waiting) - len(kept))
            self._waiting = deque(kept)
            self._items = sum(len(shown.slate.items) for shown in kept)

    def start(self) -> None:
        """Start sending, on the running loop."""
        self._task = asyncio.create_task(self._run())

    async def close(self, *, within_s: float = _FLUSH_S) -> None:
        """Send what waits, as far as time allows, and end."""
        if self._task is None:
            return
        try:
            await asyncio.wait_for(self._idle.wait(), within_s)
        except TimeoutError:
            _log.warning("%d impressions were not sent by the end", self.queued)
        await end(self._task)
        self._lose(self.queued)

    def _lose(self, count: int) -> None:
        if count:
            self._count("dropped", count)

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            if len(self._waiting) < AT_ONCE:
                await asyncio.sleep(self._gather_s)  # the reply goes out, and more may come along
            await self._send_some()
            if not self._waiting:
                self._news.clear()
                self._idle.set()

    async def _send_some(self) -> None:
        entries: list[Entry] = []
        outcome, log = "failed", self._log_of()
        try:
            while self._waiting and len(entries) < AT_ONCE:
                shown = self._waiting.popleft()
                self._items -= len(shown.slate.items)
                entries.append(impression(shown))
                await asyncio.sleep(0)  # requests go first
            outcome = await self._send(log, entries)
        except RillrecError as error:
            self._tell(str(error))
        except Exception:  # the boundary of the task: replies go on, and so must this
            _log.exception("impressions can't be sent, for a reason that nobody foresaw")
        finally:
            if entries:
                self._count(outcome, len(entries))

    async def _send(self, log: EventLog, entries: list[Entry]) -> str:
        """Return what became of the entries."""
        if not entries:
            return "sent"
        if not await log.has_room():
            self._tell("the event log is long: does a flow read it?")
            return "dropped"
        await log.append(entries)
        self._tell("")
        return "sent"

    def _tell(self, trouble: str) -> None:
        """Log what keeps impressions from being sent, once for as long as it lasts."""
        if bool(trouble) != bool(self._trouble):
            _log.warning("impressions are lost: %s", trouble) if trouble else _log.warning(
                "impressions are sent again"
            )
        self._trouble = trouble
