"""Probes: they ask for slates until one shows what was tracked, and note how long that took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from rillrec.bench.load import Acknowledged, track
from schemas.events import Interaction
from schemas.positions import Position
from serving import scorer_pb2 as pb

SLATE_LENGTH = 20
TIMEOUT_S = 10.0
EVENT_PAUSE_S, MODEL_PAUSE_S = 0.005, 0.05
PRECISION = 0.02
"""What takes long is looked for less often: probes must not be the load that keeps it waiting."""
MOST_AT_ONCE = 8

Answered = Callable[[Any], bool]


def has_reached(positions: Iterable[Any], wanted: Position) -> bool:
    """Return whether what a reply says was absorbed contains an event."""
    return any(
        one.offset > wanted.offset
        for one in positions
        if one.topic == wanted.topic and one.partition == wanted.partition
    )


class Gauge:
    """Durations of one kind.

    Parameters
    ----------
    timeout_s
        What was not seen within it counts as that long, and as a timeout.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self.timeout_s = timeout_s
        self.times_ms: list[float] = []
        self.timeouts = 0

    def note(self, began_s: float, *, seen: bool = True) -> None:
        """Note that what began then has been seen now, or that it has been given up."""
        if not seen:
            self.timeouts += 1
        waited_s = time.perf_counter() - began_s if seen else self.timeout_s
        self.times_ms.append(waited_s * 1e3)

    async def poll(self, stub: Any, user_id: str, until: Answered, *, pause_s: float) -> bool:
        """Ask for a user's slate until one is as wanted; return ``False`` if none is in time."""
        request = pb.RecommendRequest(user_id=user_id, k=SLATE_LENGTH)
        begin_s = time.perf_counter()
        while not until(await stub.Recommend(request, timeout=TIMEOUT_S)):
            waited_s = time.perf_counter() - begin_s
            if waited_s > self.timeout_s:
                return False
            await asyncio.sleep(max(pause_s, PRECISION * waited_s))
        return True


class EventProbe:
    """From Track's reply to the first slate whose user state contains the event.

    Parameters
    ----------
    every_s
        The least time between two probes: they shall not be the load themselves.
    """

    def __init__(
        self, gauge: Gauge, stub: Any, under_way: asyncio.TaskGroup, *, every_s: float
    ) -> None:
        self.gauge = gauge
        self._stub, self._under_way, self._every_s = stub, under_way, every_s
        self._next_s, self._running = 0.0, 0

    def heard(self, answered: Acknowledged) -> None:
        """Take a call as a probe, where it is time for one."""
        if answered.replied_s < self._next_s or self._running >= MOST_AT_ONCE:
            return
        self._next_s = answered.replied_s + self._every_s
        self._running += 1
        self._under_way.create_task(self._probe(answered))

    async def _probe(self, answered: Acknowledged) -> None:
        event, position = answered.events[-1], answered.positions[-1]
        seen = await self.gauge.poll(
            self._stub,
            event.user_id,
            lambda reply: has_reached(reply.user_positions, position),
            pause_s=EVENT_PAUSE_S,
        )
        self._running -= 1
        self.gauge.note(answered.replied_s, seen=seen)


class VectorProbe:
    """From Track's reply to the first slate of a model that was trained on the event.

    One visitor asks all the time, every 20 ms, on behalf of all events that wait.
    """

    def __init__(self, gauge: Gauge, stub: Any, user_id: str) -> None:
        self.gauge = gauge
        self._stub, self._user_id = stub, user_id
        self._waiting: list[tuple[Position, float]] = []

    def heard(self, answered: Acknowledged) -> None:
        """Wait for the last event of a call."""
        self._waiting.append((answered.positions[-1], answered.replied_s))

    async def run(self, ended: asyncio.Event) -> None:
        """Ask until the load has ended, and nothing waits any more."""
        while self._waiting or not ended.is_set():
            request = pb.RecommendRequest(user_id=self._user_id, k=SLATE_LENGTH)
            reply = await self._stub.Recommend(request, timeout=TIMEOUT_S)
            self._look(reply.model_positions)
            await asyncio.sleep(MODEL_PAUSE_S)

    def _look(self, positions: Iterable[Any]) -> None:
        known, now_s, left = list(positions), time.perf_counter(), []
        for position, replied_s in self._waiting:
            if has_reached(known, position):
                self.gauge.note(replied_s)
            elif now_s - replied_s > self.gauge.timeout_s:
                self.gauge.note(replied_s, seen=False)
            else:
                left.append((position, replied_s))
        self._waiting = left


class NewItemProbe:
    """From Track's reply to the first slate with an item that nobody had seen before.

    Three visitors click on a known item and then on the new one, in one call of Track; a fourth,
    who has just clicked on the known item, asks.

    Parameters
    ----------
    anchors
        Known items that are neither the most popular nor hardly seen.
    """

    VISITORS = 3

    def __init__(self, gauge: Gauge, stub: Any, anchors: list[str], *, seed: int) -> None:
        self.gauge = gauge
        self._stub, self._anchors, self._random = stub, anchors, Random(seed)
        self._number = 0

    async def run(self, ended: asyncio.Event, *, every_s: float) -> None:
        """Send one new item after the other until the load has ended."""
        async with asyncio.TaskGroup() as under_way:
            while not ended.is_set():
                under_way.create_task(self.probe())
                await asyncio.sleep(every_s)

    async def probe(self) -> None:
        """Introduce one new item, and ask until it is on the slate."""
        self._number += 1
        name, anchor = f"new-{self._number:04d}", self._random.choice(self._anchors)
        asker = f"{name}-asker"
        clicked = await track(self._stub, [_click(asker, anchor, 0)])
        if not await self._knows(asker, clicked.positions[0]):
            self.gauge.note(clicked.replied_s, seen=False)
            return
        visitors = [f"{name}-{number}" for number in range(self.VISITORS)]
        answered = await track(
            self._stub,
            [
                _click(visitor, item, place)
                for visitor in visitors
                for place, item in enumerate((anchor, name))
            ],
        )
        seen = await self.gauge.poll(
            self._stub,
            asker,
            lambda reply: any(item.item_id == name for item in reply.items),
            pause_s=MODEL_PAUSE_S,
        )
        self.gauge.note(answered.replied_s, seen=seen)

    async def _knows(self, user_id: str, position: Position) -> bool:
        return await self.gauge.poll(
            self._stub,
            user_id,
            lambda reply: has_reached(reply.user_positions, position),
            pause_s=MODEL_PAUSE_S,
        )


def _click(user_id: str, item_id: str, place: int) -> Interaction:
    return Interaction(
        event_id=f"{user_id}-{place}", user_id=user_id, item_id=item_id, kind="click", time_ms=0
    )
