"""The flows that are measured: decoding alone, and everything."""

from __future__ import annotations

from collections.abc import Callable

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import StatefulSourcePartition

from flows.batches import SourceBatch
from flows.cluster import Cluster
from flows.decode import Decode
from flows.learn import learner_of
from flows.recommend import build_flow, wall_ms
from flows.sources.kafka import KafkaSource
from flows.wiring import lease_of
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
    """Measure the whole flow: user states in Redis, a model that learns and is published."""
    store = RedisStore(
        settings.store.redis_url.get_secret_value(),
        name=settings.model.name,
        user_ttl_s=settings.store.user_ttl_s,
    )
    tally, source, lease = MeteredTally(meter), MeteredKafka(settings, meter), lease_of(store)
    # Opened now, and not when the first event comes: that it takes a second is no part of an event.
    learner = learner_of(
        store, config=settings.shapes(), publish_interval_ms=settings.flow.publish_interval_ms
    )
    flow = build_flow(
        source,
        store,
        lambda: learner,
        rules=settings.stream.rules(),
        model_name=settings.model.name,
        tally=tally,
        lease=lease,
        micro_batch_wait_ms=settings.flow.micro_batch_wait_ms,
    )
    ready()
    try:
        run_flow(flow, source, cluster=Cluster(workers=workers))
    finally:
        lease.release()
    steps_s = {step: times.total_s for step, times in tally.steps.items()}
    counts = {
        "accepted": tally.events,
        "examples": tally.examples,
        "publishes": tally.publishes["log"],
        "bases": tally.publishes["base"],
        "users_cached": tally.users["cached"],
        "users_read": tally.users["stored"],
    }
    return meter.measurement(steps_s=steps_s, counts=counts)
