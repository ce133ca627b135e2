"""Events at a steady rate through ``Track``, from one process and without threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from rillrec.messages import event_to_wire
from schemas.events import Interaction
from schemas.positions import Position
from serving import scorer_pb2 as pb

MOST_CALLS = 64
TIMEOUT_S = 10.0


class Acknowledged(Struct, frozen=True):
    """A call of Track that was answered: its events, where they stand, and when."""

    events: tuple[Interaction, ...]
    positions: tuple[Position, ...]
    replied_s: float


Heard = Callable[[Acknowledged], None]


async def track(stub: Any, events: Sequence[Interaction]) -> Acknowledged:
    """Track events that happen now, and note when the reply came."""
    now_ms = time.time_ns() // 1_000_000
    happening = tuple(msgspec.structs.replace(event, time_ms=now_ms) for event in events)
    request = pb.TrackRequest(events=[event_to_wire(event) for event in happening])
    reply = await stub.Track(request, timeout=TIMEOUT_S)
    replied_s = time.perf_counter()
    positions = tuple(Position.of_token(tracked.position) for tracked in reply.tracked)
    return Acknowledged(happening, positions, replied_s)


class Load:
    """Tracks events on a timetable: a slow reply does not make the next call later.

    Only where 64 calls wait for their replies does the next one wait too; then the rate that was
    asked for is not reached, and the report says so.

    Parameters
    ----------
    events
        What to track, at the moment when it is its turn.
    heard
        Is handed every call that was answered.
    at_once
        Events in a call.

    Attributes
    ----------
    replies_ms
        How long each call took.
    """

    def __init__(
        self, stub: Any, events: Iterator[Interaction], *, heard: Heard, at_once: int = 10
    ) -> None:
        self._stub, self._events, self._heard, self._at_once = stub, events, heard, at_once
        self._room = asyncio.Semaphore(MOST_CALLS)
        self.tracked = 0
        self.replies_ms: list[float] = []

    async def run(self, *, rate: float, seconds: float) -> float:
        """Track for so long; return the events a second that were acknowledged."""
        begin_s, calls = time.perf_counter(), int(rate * seconds / self._at_once)
        before = self.tracked
        async with asyncio.TaskGroup() as under_way:
            for call in range(calls):
                due_s = begin_s + call * self._at_once / rate
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                await self._room.acquire()
                under_way.create_task(self._call(list(islice(self._events, self._at_once))))
        return (self.tracked - before) / (time.perf_counter() - begin_s)

    async def _call(self, events: list[Interaction]) -> None:
        try:
            begin_s = time.perf_counter()
            answered = await track(self._stub, events)
            self.replies_ms.append((answered.replied_s - begin_s) * 1e3)
            self.tracked += len(events)
            self._heard(answered)
        finally:
            self._room.release()
