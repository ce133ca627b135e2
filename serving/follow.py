"""Keeps a replica fresh beside an asyncio loop that serves from it.

A thread reads the log and decodes; the loop applies, one publish at a time, between two requests.
So a request, which never pauses while it reads the model, sees no half of a publish, and waits for
one publish at most. A state that is built anew is built in the thread, and swapped in whole.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait

from online_models.recommender import Recommender
from schemas.errors import RillrecError, StoreUnavailable
from serving.replica import FETCHED_AT_ONCE, Replica, Update

_log = logging.getLogger(__name__)
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0


class Follower:
    """A replica, the thread that keeps it fresh, and how well that goes.

    Parameters
    ----------
    replica
        Belongs to the follower from now on.
    stale_after_s
        Without contact to the log for longer, the model counts as stale.
    block_ms
        How long one read waits for news, which bounds how long stopping takes.
    on_apply
        Told the seconds that the loop stood still to apply a publish, and whether that replaced a
        model by one loaded again.
    """

    def __init__(
        self,
        replica: Replica,
        *,
        stale_after_s: float = 5.0,
        block_ms: int = 500,
        on_apply: Callable[[float, bool], None] = lambda _seconds, _reloaded: None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.replica = replica
        self.recommender = Recommender(replica.state)
        self.reachable = False
        self.caught_up = False
        self._stale_after_s = stale_after_s
        self._block_ms = block_ms
        self._on_apply, self._clock_s = on_apply, clock_s
        self._contact_s = self._publish_s = clock_s()
        self._trouble = ""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def usable(self) -> bool:
        """Whether there is a model to answer from, and it is whole."""
        return self.replica.usable and self.replica.version > 0

    @property
    def stale(self) -> bool:
        """Whether the log has been out of reach for too long to call the model fresh."""
        return self._clock_s() - self._contact_s > self._stale_after_s

    @property
    def age_s(self) -> float:
        """Seconds since the last publish arrived, or since the start where none has."""
        return self._clock_s() - self._publish_s

    def start(self) -> None:
        """Start following, on behalf of the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Stop following; the replica stays as it is."""
        self._stopping.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _follow(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                self._take(self.replica.fetch(block_ms=self._block_ms))
                pause_s = _FIRST_PAUSE_S
                self._tell("")
                continue
            except StoreUnavailable as error:
                self._tell(str(error))
                self.replica.doubt()
            except RillrecError as error:
                self._tell(str(error))
            except Exception:  # the boundary of the thread: it must not end while others serve
                _log.exception("the model can't be kept fresh, for a reason that nobody foresaw")
            if not self._on_loop(self._lose_contact):
                return
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _tell(self, trouble: str) -> None:
        """Log what keeps the model from being fresh, once for as long as it lasts."""
        if trouble and trouble != self._trouble:
            _log.warning("the model can't be kept fresh: %s", trouble)
        elif self._trouble and not trouble:
            _log.warning("the model is kept fresh again")
        self._trouble = trouble

    def _take(self, update: Update) -> None:
        if update.fresh is not None:
            self._on_loop(self._apply, Update(fresh=update.fresh))
        for publish in update.publishes:
            self._on_loop(self._apply, Update((publish,)))
        self._on_loop(self._contact, len(update.publishes) < FETCHED_AT_ONCE)

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> bool:
        """Run a call between two requests and wait for it; ``False`` where the loop has ended."""
        assert self._loop is not None
        done: Future[None] = Future()

        def run() -> None:
            try:
                call(*arguments)
                done.set_result(None)
            except BaseException as error:
                done.set_exception(error)

        try:
            self._loop.call_soon_threadsafe(run)
        except RuntimeError:
            self._stopping.set()
            return False
        while not done.done() and self._loop.is_running():
            wait([done], timeout=1.0)
        if not done.done():
            return False
        done.result()
        return True

    def _apply(self, update: Update) -> None:
        started_s = time.perf_counter()
        reloaded = update.fresh is not None and self.replica.version > 0
        try:
            self.replica.apply(update)
        finally:
            if self.recommender.state is not self.replica.state:
                self.recommender = Recommender(self.replica.state)
        self._on_apply(time.perf_counter() - started_s, reloaded)
        self._publish_s = self._clock_s()

    def _contact(self, level: bool) -> None:
        self._contact_s = self._clock_s()
        self.reachable = True
        self.caught_up = self.caught_up or level

    def _lose_contact(self) -> None:
        self.reachable = False
