"""The flows that are measured: decoding alone, and everything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import StatefulSourcePartition

from flows.batches import SourceBatch
from flows.cluster import Cluster
from flows.decode import Decode
from flows.incidents import Incidents
from flows.kafka_letters import KafkaLetters
from flows.outlets import Outlets
from flows.recommend import wall_ms
from flows.sources.kafka import KafkaSource
from flows.tally import Tally
from flows.wiring import lease_of, wired
from rillrec.bench.meter import Measurement, Meter
from rillrec.bench.metered import MeteredPartition, MeteredTally, NullSink
from rillrec.engine import run_flow
from schemas.settings import Settings
from serving.store import RedisStore


class MeteredKafka(KafkaSource):
    """The flow's own source, with a meter on it."""

    def __init__(self, settings: Settings, meter: Meter) -> None:
        kafka = settings.kafka
        super().__init__(
            kafka,
            group=kafka.group_of(settings.model.name),
            batch_size=settings.flow.batch_size,
        )
        self._meter = meter

    def build_part(
        self, step_id: str, for_part: str, resume_state: int | None
    ) -> StatefulSourcePartition[SourceBatch, int | None]:
        part = super().build_part(step_id, for_part, resume_state)
        return MeteredPartition(part, self._meter, self.end)


def decode_only(
    settings: Settings, meter: Meter, *, workers: int, ready: Callable[[], None]
) -> Measurement:
    """Measure reading and decoding, by the flow's own source and step, into a null sink."""
    tally, source = MeteredTally(meter), MeteredKafka(settings, meter)
    flow = Dataflow("decode")
    batches = op.input("read", flow, source)
    decoded = op.flat_map_batch(
        "decode", batches, Decode(source.decoder, tally=tally, now_ms=wall_ms)
    )
    op.output("drop", decoded, NullSink(meter))
    ready()
    run_flow(flow, source, cluster=Cluster(workers=workers))
    return meter.measurement(steps_s={"decode": tally.steps["decode"].total_s})


def full_flow(
    settings: Settings, meter: Meter, *, workers: int, ready: Callable[[], None]
) -> Measurement:
    """Measure the whole flow: user states in Redis, a model that learns and is published.

    It is wired as ``rillrec flow`` wires it. That the learner takes a second to get ready is no
    part of an event: the source has that done before the first one comes.
    """
    tally, source = MeteredTally(meter), MeteredKafka(settings, meter)
    with (
        closing(RedisStore.of(settings, settings.store.redis_url.get_secret_value())) as store,
        KafkaLetters(settings.kafka, incidents=Incidents(tally)) as letters,
        closing(source),
    ):
        outlets = Outlets(Incidents(tally), letters)
        lease = lease_of(store, outlets.incidents)
        made = wired(settings, store, source=source, lease=lease, outlets=outlets)
        ready()
        try:
            run_flow(made.flow, source, cluster=Cluster(workers=workers), failures=made.failures)
        finally:
            lease.release()
    return meter.measurement(
        steps_s={step: times.total_s for step, times in tally.steps.items()},
        counts=counts_of(tally),
    )


def counts_of(tally: Tally) -> dict[str, int]:
    """Return what the report tells beside times."""
    return {
        "accepted": tally.events,
        "rejected": tally.rejected,
        "examples": tally.examples,
        "lists_skipped": tally.lists_skipped,
        "publishes": tally.publishes["log"],
        "bases": tally.publishes["base"],
        "users_cached": tally.users["cached"],
        "users_stored": tally.users["stored"],
        "users_new": tally.users["new"],
    }
