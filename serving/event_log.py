"""Where events go: the embedded log in Redis, or Kafka behind the same two words."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from schemas.positions import Position
from serving.store.aio import AsyncRedisStore

MOST_BACKLOG = 20_000
ROOM_LASTS_S = 1.0
OnAppend = Callable[[float, bool], None]


class Entry(Struct, frozen=True, gc=False):
    """An event as the log takes it.

    Parameters
    ----------
    payload
        JSON.
    key
        The user's id, of catalogue updates the item's: events of one key keep their order.
    """

    event_type: str
    payload: bytes
    key: str = ""


class EventLog(Protocol):
    """Takes events in, and says where they stand."""

    @property
    def unacknowledged(self) -> int:
        """Events that were handed to the log, and are not acknowledged yet."""
        ...

    async def append(
        self, entries: Sequence[Entry], *, within_s: float | None = None
    ) -> list[Position]:
        """Return the position of each event, once all of them are durable.

        Parameters
        ----------
        within_s
            The longest that the caller waits; the log may give up sooner.

        Raises
        ------
        StoreUnavailable, BrokerUnavailable
            The log did not acknowledge all events. Any number of them may be stored.
        StoreError, BrokerError
            It refused.
        QueueFull
            Too many events wait for it.
        RequestRefused
            An event is too large for it.
        """
        ...

    async def has_room(self) -> bool:
        """Return whether the log may take what can be missed. Raises as ``ping``."""
        ...

    async def ping(self) -> None:
        """Return when the log answers.

        Raises
        ------
        StoreError, BrokerError
            It does not, or refuses.
        """
        ...

    async def close(self) -> None:
        """Let go of it. What is unacknowledged gets a moment."""
        ...


class RedisLog:
    """The embedded event log: a stream in Redis, which takes all events of a call or none.

    Parameters
    ----------
    store
        Belongs to the log from now on. Its own timeout bounds every call.
    on_append
        Told how long a call took, and whether its events are stored.
    """

    def __init__(
        self, store: AsyncRedisStore, *, on_append: OnAppend = lambda _seconds, _stored: None
    ) -> None:
        self._store, self._on_append = store, on_append
        self.unacknowledged = 0
        self._has_room, self._looked_s = True, float("-inf")

    async def append(
        self, entries: Sequence[Entry], *, within_s: float | None = None
    ) -> list[Position]:
        started_s, stored = time.perf_counter(), False
        self.unacknowledged += len(entries)
        try:
            positions = await self._store.append_events(
                [(entry.event_type, entry.payload) for entry in entries]
            )
            stored = True
            return positions
        finally:
            self.unacknowledged -= len(entries)
            self._on_append(time.perf_counter() - started_s, stored)

    async def has_room(self) -> bool:
        """Return whether fewer than 20,000 events were in the log, a second ago at most.

        It is the flow that trims it: without one, whatever is logged unasked would fill Redis.
        """
        if time.monotonic() - self._looked_s > ROOM_LASTS_S:
            self._has_room = await self._store.count_events() < MOST_BACKLOG
            self._looked_s = time.monotonic()
        return self._has_room

    async def ping(self) -> None:
        await self._store.ping()

    async def close(self) -> None:
        await self._store.close()
