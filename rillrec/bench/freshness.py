"""How fresh slates are under load: real processes, public API, clocks at the client."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import grpc
from grpc import aio
from msgspec import Struct

from rillrec.bench.figures import quantiles
from rillrec.bench.load import Acknowledged, Load
from rillrec.bench.probes import EventProbe, Gauge, NewItemProbe, VectorProbe
from rillrec.bench.proc import cpu_s_of_all
from rillrec.bench.traffic import Traffic, generated
from rillrec.supervisor import Tell
from schemas.errors import CallFailed, ProcessFailed
from schemas.events import Interaction
from serving import scorer_pb2 as pb
from serving.scorer_pb2_grpc import ScorerStub

WARM_UP_RATE = 20_000.0
ANCHORS = slice(20, 200)
"""Ranks, by popularity, of the items that lead to a new one."""


class Plan(Struct, frozen=True, kw_only=True):
    """What is measured, and how long.

    Parameters
    ----------
    warm_up
        Events that are tracked and learnt before anything is measured.
    rate, seconds
        Events a second, and for how long.
    events_every_s, items_every_s
        The pauses between two probes of a kind.
    timeout_s
        After which a probe is given up.
    learnt_within_s
        After which the warm-up is.
    """

    users: int = 5_000
    items: int = 20_000
    seed: int = 0
    warm_up: int = 20_000
    rate: float = 1_000.0
    seconds: float = 30.0
    at_once: int = 10
    events_every_s: float = 0.1
    items_every_s: float = 0.4
    timeout_s: float = 10.0
    learnt_within_s: float = 300.0

    def traffic(self) -> Traffic:
        """Return what the events are drawn from: some more than are tracked."""
        events = self.warm_up + int(self.rate * self.seconds) + self.at_once
        return Traffic(
            events=events, users=self.users, items=self.items, seed=self.seed, named_sessions=True
        )


async def measure(
    address: str, plan: Plan, *, tell: Tell, pids: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Measure a scorer that serves, and return the report.

    Parameters
    ----------
    pids
        Processes whose processor time is told too, by name.

    Raises
    ------
    CallFailed
        The scorer refused a call, or did not answer.
    ProcessFailed
        What was tracked for the warm-up is not learnt in time: does a flow run?
    """
    async with aio.insecure_channel(address) as channel:
        try:
            return await _Run(ScorerStub(channel), plan, tell, pids or {}).run()
        except* grpc.RpcError as group:
            error: Any = _first(group)
            code = error.code().name
            raise CallFailed(
                code, f"the scorer at {address} answered {code}: {error.details()}"
            ) from error


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _Run:
    def __init__(self, stub: Any, plan: Plan, tell: Tell, pids: Mapping[str, int]) -> None:
        self._stub, self._plan, self._tell, self._pids = stub, plan, tell, pids
        self._events = generated(plan.traffic())

    async def run(self) -> dict[str, Any]:
        anchors = await self._warm_up()
        plan = self._plan
        self._tell(f"{plan.rate:,.0f} events/s for {plan.seconds:g} s, and probes beside them")
        ended = asyncio.Event()
        events, items, vectors = (Gauge(plan.timeout_s) for _ in range(3))
        async with asyncio.TaskGroup() as under_way:
            of_events = EventProbe(events, self._stub, under_way, every_s=plan.events_every_s)
            of_items = NewItemProbe(items, self._stub, anchors, seed=plan.seed)
            of_vectors = VectorProbe(vectors, self._stub, "a-stranger")

            def heard(answered: Acknowledged) -> None:
                of_events.heard(answered)
                of_vectors.heard(answered)

            load = Load(self._stub, self._events, heard=heard, at_once=plan.at_once)
            under_way.create_task(of_vectors.run(ended))
            under_way.create_task(of_items.run(ended, every_s=plan.items_every_s))
            before, begin_s = cpu_s_of_all(self._pids), time.perf_counter()
            rate = await load.run(rate=plan.rate, seconds=plan.seconds)
            seconds, after = time.perf_counter() - begin_s, cpu_s_of_all(self._pids)
            ended.set()
        gauges = {"event_to_slate": events, "new_item": items, "vector": vectors}
        return {
            **{f"{name}_ms": quantiles(gauge.times_ms) for name, gauge in gauges.items()},
            "rate": round(rate, 1),
            "events": load.tracked,
            "track_ms": quantiles(load.replies_ms),
            "probes": {name: len(gauge.times_ms) for name, gauge in gauges.items()},
            "timeouts": {name: gauge.timeouts for name, gauge in gauges.items()},
            "cores": {
                name: round((after[name] - cpu) / seconds, 2) for name, cpu in before.items()
            },
        }

    async def _warm_up(self) -> list[str]:
        """Have a model to measure; return items that are known to it, and led to others."""
        plan, seen = self._plan, Counter[str]()

        def noted() -> Iterator[Interaction]:
            for event in islice(self._events, plan.warm_up):
                seen[event.item_id] += 1
                yield event

        self._tell(f"{plan.warm_up:,} events to warm up")
        load = Load(self._stub, noted(), heard=lambda _answered: None, at_once=100)
        await load.run(rate=WARM_UP_RATE, seconds=plan.warm_up / WARM_UP_RATE)
        await self._learnt(load.tracked)
        return [item_id for item_id, _ in seen.most_common(ANCHORS.stop)][
            min(ANCHORS.start, len(seen) // 2) :
        ]

    async def _learnt(self, events: int) -> None:
        begin_s = told_s = time.monotonic()
        while True:
            info = await self._stub.GetModelInfo(pb.GetModelInfoRequest())
            if info.absorbed_events >= events:
                return
            now_s = time.monotonic()
            if now_s - begin_s > self._plan.learnt_within_s:
                raise ProcessFailed(
                    f"{info.absorbed_events:,} of the {events:,} events of the warm-up are learnt "
                    f"after {now_s - begin_s:.0f} s: ask for fewer by --warm-up"
                )
            if now_s - told_s > 5:
                self._tell(f"  {info.absorbed_events:,} of {events:,} are learnt")
                told_s = now_s
            await asyncio.sleep(0.1)
