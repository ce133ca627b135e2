"""The flow's own parts with a meter on them: a source, a null sink, a tally."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from bytewax.inputs import StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.batches import SourceBatch
from flows.tally import Tally
from rillrec.bench.meter import Meter


class MeteredPartition(StatefulSourcePartition[SourceBatch, Any]):
    """A partition whose events are counted; it ends the source once all are there."""

    def __init__(
        self,
        inner: StatefulSourcePartition[SourceBatch, Any],
        meter: Meter,
        end_source: Callable[[], None],
    ) -> None:
        self._inner, self._meter, self._end_source = inner, meter, end_source

    def next_batch(self) -> Any:
        with self._meter.reading():
            batches = list(self._inner.next_batch())
        events = sum(len(batch.records) for batch in batches)
        if events:
            self._meter.arrived(events)
            if self._meter.all_arrived:
                self._end_source()
        return batches

    def next_awake(self) -> datetime | None:
        return self._inner.next_awake()

    def snapshot(self) -> Any:
        return self._inner.snapshot()

    def close(self) -> None:
        self._inner.close()


class NullSink(DynamicSink[Any]):
    """Takes everything, and tells the meter that it is done with."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def build(self, step_id: str, worker_index: int, worker_count: int) -> NullPartition:
        return NullPartition(self._meter)


class NullPartition(StatelessSinkPartition[Any]):
    """One worker's part of the null sink."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def write_batch(self, items: list[Any]) -> None:
        self._meter.done()


class MeteredTally(Tally):
    """Times steps by their thread's processor time; what is published is done with."""

    def __init__(self, meter: Meter) -> None:
        super().__init__(clock=time.thread_time)
        self._meter = meter

    def published(self, form: str, version: int) -> None:
        super().published(form, version)
        self._meter.done()
