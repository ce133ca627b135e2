"""Partitions that are behind are caught up on side by side."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import pytest
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Producer
from hypothesis import given
from hypothesis import strategies as st

from flows.batches import SourceBatch
from flows.sources.kafka import KafkaSource
from flows.sources.kafka_alignment import AHEAD_MS, PATIENCE_S, horizon_ms
from flows.sources.kafka_inbox import Inbox
from tests.flows.kafka_streams import (
    check_continuous,
    clicks,
    opened,
    read_until,
    records_of_batches,
    settings_of,
    to_the_end,
)
from tests.flows.sources.test_kafka_records import Fetched
from tests.kafka import Kafka

HOUR_MS = 3_600_000
START_MS = time.time_ns() // 1_000_000 - 3 * HOUR_MS  # older messages are retention's prey


def inbox_of(*times_ms: int, reached_ms: int = 0, until: int | None = None) -> Inbox:
    inbox = Inbox("t", 0, 0, until=until)
    inbox.messages = [Fetched(b"", time_ms=time_ms) for time_ms in times_ms]
    inbox.reached_ms = reached_ms
    return inbox


def horizon(*inboxes: Inbox, level: bool = False, now_s: float = 0.0) -> float:
    return horizon_ms(inboxes, lambda _inbox: level, now_s=now_s)


def test_the_oldest_message_that_waits_sets_the_horizon() -> None:
    assert horizon(inbox_of(500, 100), inbox_of(300)) == 300 + AHEAD_MS


def test_a_partition_of_which_more_is_to_come_holds_the_others_where_it_stands() -> None:
    assert horizon(inbox_of(9_000), inbox_of(reached_ms=200)) == 200 + AHEAD_MS


def test_a_partition_that_is_level_holds_nobody_up() -> None:
    assert horizon(inbox_of(9_000), inbox_of(reached_ms=200), level=True) == 9_000 + AHEAD_MS
    assert horizon(inbox_of(), level=True) == math.inf


def test_a_partition_that_is_silent_holds_nobody_up_for_long() -> None:
    inboxes = (inbox_of(9_000), inbox_of(reached_ms=200))
    assert horizon(*inboxes, now_s=PATIENCE_S - 0.1) == 200 + AHEAD_MS
    assert horizon(*inboxes, now_s=PATIENCE_S + 0.1) == 9_000 + AHEAD_MS


def test_a_partition_that_is_read_holds_nobody_up() -> None:
    assert horizon(inbox_of(9_000), inbox_of(until=0)) == 9_000 + AHEAD_MS


def test_messages_without_a_time_neither_wait_nor_hold_up() -> None:
    untimed = inbox_of()
    untimed.messages = [Fetched(b"", time_ms=-1, kind=TIMESTAMP_NOT_AVAILABLE)]
    assert horizon(inbox_of(9_000), untimed) == 9_000 + AHEAD_MS
    assert not untimed.waits_for(0.0)
    assert len(untimed.take(5, 0.0)) == 1


@given(st.lists(st.integers(0, 100), max_size=20), st.integers(0, 100), st.integers(1, 30))
def test_what_is_taken_lies_within_the_horizon_and_the_rest_stays(
    times_ms: list[int], horizon_ms: int, count: int
) -> None:
    inbox = inbox_of(*times_ms)
    whole = list(inbox.messages)
    taken = inbox.take(count, horizon_ms)
    assert [*taken, *inbox.messages] == whole
    assert all(message.timestamp()[1] <= horizon_ms for message in taken)
    assert len(taken) == count or inbox.waits_for(horizon_ms) or not inbox.messages


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine, no partition counts as silent."""
    monkeypatch.setattr("flows.sources.kafka_alignment.PATIENCE_S", 60.0)


def produce_at(kafka: Kafka, topic: str, times_ms: Sequence[int]) -> None:
    producer = Producer({"bootstrap.servers": kafka.brokers, "log_level": 0})
    for (key, value), time_ms in zip(clicks(len(times_ms)), times_ms, strict=True):
        producer.produce(topic, value, key, 0, timestamp=time_ms)
    assert producer.flush(30) == 0


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("batch_size", [10, 1_000])
def test_two_topics_of_the_same_hours_are_read_side_by_side(kafka: Kafka, batch_size: int) -> None:
    settings = settings_of(kafka)
    topics = (settings.interactions_topic, settings.impressions_topic)
    for topic in topics:
        produce_at(kafka, topic, range(START_MS, START_MS + HOUR_MS, 5_000))
    batches = to_the_end(KafkaSource(settings, group="g", batch_size=batch_size, follow=False))
    check_continuous(batches)
    assert records_of_batches(batches) == 2 * 720
    reached = dict.fromkeys(topics, START_MS)
    for batch in batches:
        if batch.records:
            reached[batch.topic] = newest_ms(batch)
            assert max(reached.values()) - min(reached.values()) <= AHEAD_MS + 5_000


def newest_ms(batch: SourceBatch) -> int:
    assert batch.newest_ms is not None
    return batch.newest_ms


@pytest.mark.usefixtures("patient")
def test_what_is_far_ahead_does_not_fill_the_memory(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    produce_at(kafka, settings.interactions_topic, range(START_MS, START_MS + 3_000))
    produce_at(
        kafka, settings.impressions_topic, range(START_MS + HOUR_MS, START_MS + HOUR_MS + 3_000)
    )
    source = KafkaSource(settings, group="g", batch_size=100)
    partitions = opened(source)
    [reader] = source._readers.values()
    most = 0

    def all_read(got: list[SourceBatch]) -> bool:
        nonlocal most
        most = max(most, *(len(inbox.messages) for inbox in reader._inboxes.values()))
        return records_of_batches(got) == 6_000

    batches = read_until(partitions, all_read)
    source.close()
    check_continuous(batches)
    read = [batch.topic for batch in batches if batch.records]
    assert read == sorted(read, key=lambda topic: topic != settings.interactions_topic)
    assert most <= 600
