"""Brokers that go and come back while they are read from and written to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from flows.kafka_letters import KafkaLetters
from flows.sources import kafka_reader
from flows.sources.kafka import KafkaSource
from rillrec.broker import Broker
from tests.flows.kafka_streams import (
    Partition,
    check_continuous,
    clicks,
    offsets_in,
    opened,
    read_until,
    records_of_batches,
    settings_of,
    store_at,
    told_incidents,
)
from tests.flows.test_kafka_letters import headers_of, letter
from tests.kafka import Kafka

pytestmark = pytest.mark.slow


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def idle_until(partitions: list[Partition], reached: Callable[[], bool]) -> None:
    """Read on while there is nothing to read."""
    batches = read_until(partitions, lambda _: reached())
    assert records_of_batches(batches) == 0


def test_a_broker_that_is_killed_is_waited_for_and_nothing_is_lost_or_read_twice(
    own_broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of(Kafka(own_broker.address), partitions=2)
    topic = settings.interactions_topic
    Kafka(own_broker.address).produce(topic, clicks(500))
    incidents, told = told_incidents()
    source = KafkaSource(settings, group="g", batch_size=100, incidents=incidents)
    source.resume_from(store_at({topic: {0: 0, 1: 0}}))
    partitions = opened(source)
    batches = read_until(partitions, lambda got: records_of_batches(got) >= 300)
    own_broker.kill()
    left = 500 - records_of_batches(batches)
    batches += read_until(partitions, lambda got: records_of_batches(got) == left)
    idle_until(partitions, lambda: incidents.is_away("broker"))
    assert set(incidents.tally.waiting()) == {"broker"}
    idle_until(partitions, lambda: bool(told))  # longer than ten seconds
    own_broker.start()
    idle_until(partitions, lambda: not incidents.is_away("broker"))
    Kafka(own_broker.address).produce(topic, clicks(200, first=500))
    batches += read_until(partitions, lambda got: records_of_batches(got) == 200)
    check_continuous(batches)
    for partition, end in Kafka(own_broker.address).ends(topic).items():
        assert offsets_in(batches, topic, partition) == list(range(end))
    source.close()
    assert [one.kind for one in told] == ["broker_away"]
    waits = [line for line in caplog.messages if "Kafka" in line and "broker_away" not in line]
    assert [line.split(":")[0].split(",")[0] for line in waits] == [
        "waiting for Kafka",
        "Kafka answers again",
    ]


def test_a_source_is_closed_within_seconds_while_the_brokers_are_away(own_broker: Broker) -> None:
    settings = settings_of(Kafka(own_broker.address))
    topic = settings.interactions_topic
    Kafka(own_broker.address).produce(topic, clicks(5))
    source = KafkaSource(settings, group="g")
    source.resume_from(store_at({topic: {0: 3}}))
    partitions = opened(source)
    began_s = time.monotonic()
    read_until(partitions, lambda _: time.monotonic() - began_s > 1.5)
    own_broker.kill()
    began_s = time.monotonic()
    source.close()
    assert time.monotonic() - began_s < 100


def test_a_consumer_that_does_not_let_go_in_time_is_left_as_it_is(
    own_broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_reader, "_LEAVE_S", 0.0)
    settings = settings_of(Kafka(own_broker.address))
    topic = settings.interactions_topic
    Kafka(own_broker.address).produce(topic, clicks(5))
    source = KafkaSource(settings, group="g")
    source.resume_from(store_at({topic: {0: 3}}))
    read_until(opened(source), bool)
    source.close()
    told = f"Kafka at {own_broker.address} did not let go within 0 s: left as it is"
    assert told in caplog.messages
    for thread in threading.enumerate():
        if thread.name == "leaves Kafka":
            thread.join(60)


def test_letters_wait_for_a_broker_that_is_away_and_all_arrive_once(
    own_broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of(Kafka(own_broker.address), delivery_timeout_s=1.0)
    incidents, _ = told_incidents()
    letters = KafkaLetters(settings, incidents=incidents)
    letters.write([letter(n) for n in range(50)])
    caplog.clear()  # a broker that is new takes its time
    own_broker.kill()
    writing = in_background(lambda: letters.write([letter(n) for n in range(50, 100)]))
    deadline = time.monotonic() + 120
    while not incidents.is_away("dead_letters"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(2.0)  # longer than an event may take that somebody waits for
    assert writing.is_alive()
    own_broker.start()
    writing.join(240)
    assert not writing.is_alive()
    assert not incidents.is_away("dead_letters")
    found = Kafka(own_broker.address).consume(settings.dead_letters_topic)
    assert [headers_of(message)["offset"] for message in found] == [str(n) for n in range(100)]
    letters.close()
    waits = [line for line in caplog.messages if "dead letters' topic" in line]
    assert [line.split(":")[0].split(",")[0] for line in waits] == [
        "waiting for the dead letters' topic",
        "the dead letters' topic answers again",
    ]
