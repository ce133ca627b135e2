"""What is known of the user who asks: read from the store, or, without it, nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from msgspec import Struct

from schemas.errors import StoreError, StoreUnavailable
from schemas.positions import Marks, Position, higher
from schemas.user_state import UserState
from serving.ending import end
from serving.store.aio import AsyncRedisStore
from serving.waiting import read_after

_LATE_S = 0.1
_log = logging.getLogger(__name__)


class Known(Struct, frozen=True):
    """A user's state and its shard's marks. ``reachable`` is whether the store could be asked."""

    state: UserState | None
    marks: Marks
    reachable: bool = True


_NOBODY = Known(None, {}, reachable=False)


class Users:
    """Reads users' states; a store that is away costs requests nothing.

    Only those that are under way when it goes wait for its timeout. From then on it is asked every
    ``rest_s``, beside the requests, whether it is back; until it is, everybody is a stranger. A
    read whose timeout comes late is read again, once: it was this process that stood still, and the
    answer may have been there.

    Parameters
    ----------
    store
        Where the states are.
    rest_s
        Longer rests spare a struggling store; shorter ones find it again sooner.
    on_wait
        Told the seconds that a request waited for an event, and whether it was absorbed.
    low_marks
        What the model has absorbed. All below was stored before, for whatever user: so an event
        that moved no mark of this user's shard, an item's or one without a usable user, is known
        to be absorbed too.
    """

    def __init__(
        self,
        store: AsyncRedisStore,
        *,
        rest_s: float = 0.25,
        on_wait: Callable[[float, bool], None] = lambda _seconds, _absorbed: None,
        clock_s: Callable[[], float] = time.monotonic,
        low_marks: Callable[[], Marks] = dict,
    ) -> None:
        self._store, self._low_marks = store, low_marks
        self._rest_s = rest_s
        self._on_wait = on_wait
        self._clock_s = clock_s
        self._search: asyncio.Task[None] | None = None

    async def read(self, user_id: str, *, after: Position | None, patience_s: float) -> Known:
        """Return what is known of a user, as soon as the event at ``after`` is part of it.

        Raises
        ------
        NotYetAbsorbed
            It is not within ``patience_s``.
        """
        if self._search is not None:
            return _NOBODY
        try:
            if after is None:
                known = Known(*await self._read(user_id))
            else:
                known = await self._read_after(user_id, after, patience_s)
        except StoreUnavailable as error:
            if self._search is None:
                _log.warning("users' states can't be read: %s", error)
                self._search = asyncio.create_task(self._find_store())
            return _NOBODY
        except StoreError as error:
            _log.error("a user's state can't be read: %s", error)
            return _NOBODY
        return known

    def turn_to(self, store: AsyncRedisStore) -> None:
        """Read from another store from now on; requests that wait for an event do so too."""
        self._store = store

    async def _find_store(self) -> None:
        while True:
            await asyncio.sleep(self._rest_s)
            try:
                await self._store.ping()
            except StoreUnavailable:
                continue
            except StoreError as error:
                _log.warning("the store answers, but not as it should: %s", error)
            break
        _log.warning("users' states can be read again")
        self._search = None

    async def close(self) -> None:
        """Stop looking for the store."""
        await end(self._search)

    async def _read(self, user_id: str) -> tuple[UserState | None, Marks]:
        low = self._low_marks()  # before the user is read: what is below them will be in the state
        started_s = self._clock_s()
        try:
            state, marks = await self._store.read_user(user_id)
        except StoreUnavailable:
            if self._clock_s() - started_s < self._store.timeout_s + _LATE_S:
                raise
            state, marks = await self._store.read_user(user_id)
        return state, higher(marks, low)

    async def _read_after(self, user_id: str, after: Position, patience_s: float) -> Known:
        started_s = self._clock_s()
        absorbed = False
        try:
            found = await read_after(lambda: self._read(user_id), after, patience_s=patience_s)
            absorbed = True
            return Known(*found)
        finally:
            self._on_wait(self._clock_s() - started_s, absorbed)
