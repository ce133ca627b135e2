"""Partitions that come, topics that appear, and offsets for lag tools."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import NewPartitions, NewTopic

from flows.incidents import Incidents
from flows.sources.kafka import KafkaSource
from flows.sources.kafka_inbox import Inbox
from flows.sources.kafka_reports import Reports
from flows.tally import Tally
from schemas.errors import FlowOutdated, RillrecError, StoreUnavailable
from schemas.model_log import Progress, Publish
from schemas.positions import Marks
from tests.flows.kafka_streams import (
    Partition,
    clicks,
    opened,
    read_until,
    records_of_batches,
    settings_of,
    store_at,
    to_the_end,
    told_incidents,
)
from tests.kafka import Kafka


def why_it_ended(source: KafkaSource, begin: Callable[[list[Partition]], None]) -> RillrecError:
    """Return what a source that reads was ended by, which all of its partitions were."""
    told: list[RillrecError] = []
    source.on_failure = told.append
    partitions = opened(source)
    read_until(partitions, len)
    begin(partitions)
    deadline, ended = time.monotonic() + 120, set[Partition]()
    while len(ended) < len(partitions):
        assert time.monotonic() < deadline
        for partition in partitions:
            try:
                partition.next_batch()
            except StopIteration:
                ended.add(partition)
        time.sleep(0.005)
    source.close()
    [error] = told
    return error


def test_new_partitions_end_the_source_in_order_to_be_built_anew(kafka: Kafka) -> None:
    settings = settings_of(kafka, partitions=2, refresh_partitions_s=1.0)
    topic = settings.interactions_topic
    incidents, told = told_incidents()

    def grow(_partitions: list[Partition]) -> None:
        kafka.admin.create_partitions([NewPartitions(topic, 3)])[topic].result(120)

    error = why_it_ended(KafkaSource(settings, group="g", incidents=incidents), grow)
    assert isinstance(error, FlowOutdated)
    assert str(error).startswith(f"{topic} has 3 partitions, and had 2 when the flow was built")
    assert [(one.kind, one.fields) for one in told] == [
        ("partitions_changed", {"topic": topic, "partitions": 3})
    ]
    kafka.produce(topic, clicks(5), partition=2)
    anew = KafkaSource(settings, group="g", follow=False)
    assert f"{topic}/2" in anew.list_parts()
    assert records_of_batches(to_the_end(anew)) == 5


def test_a_topic_that_appears_is_noticed(kafka: Kafka) -> None:
    [missing] = [f"later-{kafka.topic()}"]
    settings = settings_of(kafka, impressions_topic=missing, refresh_partitions_s=1.0)

    def appear(_partitions: list[Partition]) -> None:
        kafka.admin.create_topics([NewTopic(missing, 1, 1)])[missing].result(120)

    error = why_it_ended(KafkaSource(settings, group="g"), appear)
    assert isinstance(error, FlowOutdated)
    assert str(error).startswith(f"{missing} has 1 partitions, and had 0")


def test_what_is_published_is_committed_for_lag_tools(kafka: Kafka) -> None:
    settings = settings_of(kafka, partitions=2)
    topic = settings.interactions_topic
    for partition in range(2):
        kafka.produce(topic, clicks(10), partition=partition)
    store, group = store_at({topic: {0: 3}}), f"of-{topic}"
    source = KafkaSource(settings, group=group)
    source.resume_from(store)
    partitions, began_s = opened(source), time.monotonic()
    read_until(
        partitions,
        lambda _: time.monotonic() - began_s > 1.2 and bool(kafka.committed(group, topic)),
    )
    assert kafka.committed(group, topic) == {0: 3}
    store.append(Publish(Progress(version=2, marks={topic: {0: 5}}), ()))
    [reader] = source._readers.values()
    reader._reports.commit(reader._consumer, [(topic, 0)])
    assert reader._reports.awaits_answer
    store.append(Publish(Progress(version=3, marks={topic: {0: 7, 1: 10}}), ()))
    source.close()
    assert kafka.committed(group, topic) == {0: 7, 1: 10}


def test_committed_offsets_are_never_read_back(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    topic = settings.interactions_topic
    kafka.produce(topic, clicks(10))
    store, group = store_at({topic: {0: 9}}), f"of-{topic}"
    source = KafkaSource(settings, group=group, follow=False)
    source.resume_from(store)
    to_the_end(source)
    assert kafka.committed(group, topic) == {0: 9}
    batches = to_the_end(KafkaSource(settings, group=group, follow=False))
    assert records_of_batches(batches) == 10


class Committing:
    """Takes commits, and does not answer by itself."""

    def __init__(self) -> None:
        self.offsets: list[dict[int, int]] = []

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        self.offsets.append({place.partition: place.offset for place in offsets})


def reports_of(marks: Marks | None, clock: Callable[[], float]) -> tuple[Reports, Incidents]:
    def published() -> Marks:
        if marks is None:
            raise StoreUnavailable("away")
        return marks

    incidents = Incidents(Tally())
    return Reports("g", published, incidents=incidents, clock=clock), incidents


def test_only_marks_that_moved_are_committed_and_refused_ones_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    marks: Marks = {"t": {0: 5, 1: 7}}
    reports, incidents = reports_of(marks, time.monotonic)
    committing, places = Committing(), [("t", 0), ("t", 1), ("t", 2)]
    consumer = cast(Consumer, committing)
    for until in (7, 8, 9):
        marks["t"][1] = until
        reports.commit(consumer, places)
    assert committing.offsets == [{0: 5, 1: 7}]  # one at a time
    reports.committed(None, [])
    reports.commit(consumer, places)
    assert committing.offsets[1:] == [{1: 9}]
    for _ in range(3):
        reports.committed(KafkaError(KafkaError._WAIT_COORD), [])
        reports.commit(consumer, places)
    assert committing.offsets[2:] == [{0: 5, 1: 9}] * 3
    assert incidents.tally.commit_failures == 3
    assert sum("lag tools don't see this flow" in line for line in caplog.messages) == 1


def test_nothing_is_committed_while_store_or_brokers_are_away() -> None:
    committing = Committing()
    consumer = cast(Consumer, committing)
    reports, _ = reports_of(None, time.monotonic)
    reports.commit(consumer, [("t", 0)])
    reports, incidents = reports_of({"t": {0: 5}}, time.monotonic)
    incidents.away("broker", "down")
    reports.commit(consumer, [("t", 0)])
    assert committing.offsets == []


def test_reports_are_made_once_a_second(kafka: Kafka) -> None:
    clock = [100.0]
    reports, incidents = reports_of({}, lambda: clock[0])
    source = KafkaSource(settings_of(kafka), group="g")
    opened(source)
    [reader] = source._readers.values()
    inbox = Inbox("t", 0, 3)
    incidents.tally.lags_behind = lambda *given: seen.append(given)  # type: ignore[method-assign]
    seen: list[tuple[object, ...]] = []
    for _ in range(30):
        clock[0] += 0.1
        reports.tend(reader._consumer, [inbox])
    assert len(seen) <= 3
    source.close()
