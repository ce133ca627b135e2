"""Benches that can't measure say why, and end."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation
from grpc import aio

from rillrec.bench.assigning import measuring
from rillrec.bench.freshness import Plan, measure
from rillrec.bench.load import track
from rillrec.bench.measured import Assignment, Phase, Watch
from rillrec.bench.meter import Meter
from rillrec.bench.probes import EventProbe, Gauge, NewItemProbe, VectorProbe
from rillrec.bench.raw import consume
from rillrec.bench.traffic import Traffic, generated
from rillrec.broker import Broker
from schemas.errors import BrokerError, CallFailed, ProcessFailed
from schemas.settings import Settings
from schemas.settings_environ import environ_of
from schemas.settings_kafka import KafkaSettings
from serving.scorer_pb2_grpc import ScorerStub
from tests.guarded import as_ann, grant
from tests.serving.processes import scorer_at

WITHOUT_SCORER = Plan(warm_up=100, users=10, items=10)


def assigned(phase: Phase) -> Assignment:
    return Assignment(phase=phase, events=1, partitions=1, workers=1, beside={}, parent=os.getpid())


def test_a_measurement_without_a_broker_says_so(
    free_port: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kafka = KafkaSettings(brokers=f"127.0.0.1:{free_port}", metadata_timeout_s=0.5)
    environ = {**os.environ, **environ_of(Settings(kafka=kafka)), "HOME": str(tmp_path)}
    with (
        pytest.raises(ProcessFailed, match="measuring 'decode' ended with code 4: it says why"),
        measuring(assigned("decode"), environ) as one,
    ):
        one.result()
    assert "does not answer" in capfd.readouterr().err


def test_raw_consuming_that_is_refused_ends(guarded: Broker) -> None:
    kafka = as_ann(guarded)
    topic = kafka.interactions_topic
    grant(guarded, topic, AclOperation.DESCRIBE)
    with pytest.raises(BrokerError, match=f"denies access to '{topic}'"):
        consume(Settings(kafka=kafka), Meter(1), partitions=1, workers=1, ready=lambda: None)


def test_a_measurement_without_events_is_given_up() -> None:
    ended, told = threading.Event(), list[str]()
    watch = Watch(Meter(7), tell=told.append, give_up=ended.set, stalled_s=0.03)
    watch.run(ended, every_s=0.01)
    assert told[0] == "0 of 7 events read"
    assert told[-1] == "no event has come for 0.03 s: giving up"


def test_a_measurement_whose_events_have_all_come_is_waited_for() -> None:
    meter, ended, told = Meter(1), threading.Event(), list[str]()
    meter.arrived(1)

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == 10:
            ended.set()

    Watch(meter, tell=tell, give_up=lambda: told.append("gave up"), stalled_s=0.02).run(
        ended, every_s=0.01
    )
    assert set(told) == {"1 of 1 events read"}


def test_freshness_without_a_scorer_says_so(free_port: int) -> None:
    address = f"127.0.0.1:{free_port}"
    with pytest.raises(CallFailed, match=f"the scorer at {address} answered UNAVAILABLE"):
        asyncio.run(measure(address, WITHOUT_SCORER, tell=lambda _line: None))


@pytest.mark.redis
def test_a_warm_up_that_nobody_learns_is_given_up(redis_url: str) -> None:
    plan = Plan(warm_up=100, users=10, items=10, learnt_within_s=0.3)
    with (
        scorer_at(redis_url) as scorer,
        pytest.raises(ProcessFailed, match="0 of the 100 events of the warm-up are learnt after"),
    ):
        asyncio.run(measure(f"127.0.0.1:{scorer.port}", plan, tell=lambda _line: None))


@pytest.mark.redis
async def test_what_is_not_seen_in_time_counts_as_a_timeout(redis_url: str) -> None:
    with scorer_at(redis_url) as scorer:
        async with aio.insecure_channel(f"127.0.0.1:{scorer.port}") as channel:
            stub = ScorerStub(channel)
            events, items, vectors = Gauge(0.2), Gauge(0.2), Gauge(0.2)
            answered = await track(stub, list(generated(Traffic(events=3, users=3, items=3))))
            async with asyncio.TaskGroup() as under_way:
                probe = EventProbe(events, stub, under_way, every_s=600.0)
                probe.heard(answered)
                probe.heard(answered)  # too soon after the first
            await NewItemProbe(items, stub, ["tea"], seed=0).probe()
            of_vectors, ended = VectorProbe(vectors, stub, "ann"), asyncio.Event()
            of_vectors.heard(answered)
            ended.set()
            await of_vectors.run(ended)
    for gauge in (events, items, vectors):
        assert (gauge.timeouts, gauge.times_ms) == (1, [200.0])
