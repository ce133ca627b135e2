"""Where reading begins: at the model's marks, or where one is told to; or not at all."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition

from flows.sources.kafka import KafkaSource
from flows.sources.kafka_start import Bounds, Start, start_of
from schemas.errors import RillrecError, SourceError
from schemas.positions import Marks
from schemas.settings_kafka import KafkaSettings
from tests.flows.kafka_streams import (
    clicks,
    offsets_in,
    opened,
    read_until,
    records_of_batches,
    settings_of,
    store_at,
    to_the_end,
    told_incidents,
)
from tests.kafka import Kafka

HOUR_MS = 3_600_000
NOON_MS = 1_760_000_000_000


@pytest.mark.parametrize(
    ("mark", "wanted", "start"),
    [
        (None, None, Start(5)),
        (7, None, Start(7)),
        (5, None, Start(5)),
        (9, None, Start(9)),
        (None, 8, Start(8)),
        (7, 5, Start(7)),
        (7, 9, Start(9)),
        (2, 5, Start(5, deleted=3)),
        (2, 8, Start(8, deleted=3)),
        (0, 5, Start(5, deleted=5)),
    ],
)
def test_the_later_of_mark_and_wanted_place_counts(
    mark: int | None, wanted: int | None, start: Start
) -> None:
    assert start_of("t/0", mark=mark, bounds=Bounds(5, 9), wanted=wanted, brokers="b") == start


@pytest.mark.parametrize("mark", [0, 4])
def test_a_resume_behind_a_hole_is_refused(mark: int) -> None:
    with pytest.raises(SourceError, match=rf"begins at offset 5, but {mark} is next"):
        start_of("t/0", mark=mark, bounds=Bounds(5, 9), wanted=None, brokers="b")


@pytest.mark.parametrize("wanted", [None, 5, 9])
def test_a_mark_beyond_the_end_is_refused_wherever_one_wants_to_begin(wanted: int | None) -> None:
    with pytest.raises(SourceError, match="ends at offset 9, but the model has read it up to 10"):
        start_of("t/0", mark=10, bounds=Bounds(5, 9), wanted=wanted, brokers="b")


def read(settings: KafkaSettings, marks: Marks, **options: Any) -> list[int]:
    """Return the offsets of the interactions that a source reads."""
    source = KafkaSource(settings, group="g", follow=False, **options)
    source.resume_from(store_at(marks))
    return offsets_in(to_the_end(source), settings.interactions_topic)


def hourly(kafka: Kafka, topic: str, hours: int) -> None:
    """Append an event for each hour, beginning at noon."""
    producer = Producer({"bootstrap.servers": kafka.brokers})
    for hour in range(hours):
        producer.produce(topic, clicks(1)[0][1], timestamp=NOON_MS + hour * HOUR_MS)
    assert producer.flush(10) == 0


def deleted_below(kafka: Kafka, topic: str, offset: int) -> None:
    """Have retention delete the first events."""
    [done] = kafka.admin.delete_records([TopicPartition(topic, 0, offset)]).values()
    done.result(120)


@pytest.mark.parametrize(
    ("start", "mark", "offsets"),
    [
        ("earliest", None, [0, 1, 2, 3, 4, 5]),
        ("earliest", 2, [2, 3, 4, 5]),
        ("latest", None, []),
        (str(NOON_MS + 2 * HOUR_MS), None, [2, 3, 4, 5]),
        (str(NOON_MS + 2 * HOUR_MS - 1), None, [2, 3, 4, 5]),
        (str(NOON_MS + 2 * HOUR_MS), 4, [4, 5]),
        (str(NOON_MS + 9 * HOUR_MS), None, []),
        ("2025-10-09T12:53:20", None, [4, 5]),
    ],
)
def test_reading_begins_where_it_is_told_to_but_never_before_the_mark(
    kafka: Kafka, start: str, mark: int | None, offsets: list[int]
) -> None:
    settings = settings_of(kafka, start=start)
    hourly(kafka, settings.interactions_topic, 6)
    marks: Marks = {} if mark is None else {settings.interactions_topic: {0: mark}}
    assert read(settings, marks) == offsets


def test_latest_passes_over_what_the_model_has_not_read(kafka: Kafka) -> None:
    settings = settings_of(kafka, start="latest")
    kafka.produce(settings.interactions_topic, clicks(5))
    assert read(settings, {settings.interactions_topic: {0: 2}}) == []


@pytest.mark.parametrize("start", ["latest", "2199-01-01"])
def test_a_new_model_reads_the_whole_catalogue_wherever_it_begins(kafka: Kafka, start: str) -> None:
    settings = settings_of(kafka, start=start)
    topic = settings.items_topic
    kafka.produce(topic, [("tea", b'{"item_id": "tea"}')])
    source = KafkaSource(settings, group="g", follow=False)
    source.resume_from(store_at({}))
    assert offsets_in(to_the_end(source), topic) == [0]
    source = KafkaSource(settings, group="g", follow=False)
    source.resume_from(store_at({topic: {0: 1}}))
    assert offsets_in(to_the_end(source), topic) == []


def test_a_partition_that_came_later_is_read_whole_also_from_latest(kafka: Kafka) -> None:
    settings = settings_of(kafka, partitions=2, start="latest")
    topic = settings.interactions_topic
    for partition in range(2):
        kafka.produce(topic, clicks(3), partition=partition)
    source = KafkaSource(settings, group="g", follow=False)
    source.resume_from(store_at({topic: {0: 3}}))
    batches = to_the_end(source)
    assert offsets_in(batches, topic, 0) == []
    assert offsets_in(batches, topic, 1) == [0, 1, 2]


def test_what_retention_has_deleted_is_refused_with_the_ways_on(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    topic = settings.interactions_topic
    kafka.produce(topic, clicks(10))
    deleted_below(kafka, topic, 6)
    incidents, told = told_incidents()
    source = KafkaSource(settings, group="g", incidents=incidents)
    source.resume_from(store_at({topic: {0: 2}}))
    failures: list[RillrecError] = []
    source.on_failure = failures.append
    for partition in opened(source):
        with pytest.raises(StopIteration):
            partition.next_batch()
    source.close()
    [error] = failures
    assert isinstance(error, SourceError)
    assert str(error) == (
        f"{topic}/0 begins at offset 6, but 2 is next for the model: retention has deleted 4 "
        "offsets that it never read. Go on without them by --from earliest, or by --from TIME, "
        "and raise the topic's retention.ms"
    )
    assert [one.kind for one in told] == ["offsets_deleted"]


@pytest.mark.parametrize("start", ["earliest", "2001-01-01"])
def test_one_goes_on_behind_a_hole_where_one_is_told_to_and_says_how_much_is_lost(
    kafka: Kafka, start: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of(kafka, start=start)
    topic = settings.interactions_topic
    kafka.produce(topic, clicks(10))
    deleted_below(kafka, topic, 6)
    incidents, told = told_incidents()
    with caplog.at_level(logging.WARNING):
        assert read(settings, {topic: {0: 2}}, incidents=incidents) == [6, 7, 8, 9]
    assert f"retention has deleted 4 offsets of {topic}/0 that were never read" in caplog.text
    assert [(one.kind, one.fields["offsets"]) for one in told] == [("offsets_deleted", 4)]


def test_a_topic_that_was_made_anew_is_refused(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    topic = settings.interactions_topic
    kafka.produce(topic, clicks(3))
    source = KafkaSource(settings, group="g")
    source.resume_from(store_at({topic: {0: 8}}))
    with pytest.raises(SourceError, match=r"ends at offset 3, .* read it up to 8: .* made anew"):
        source.build_part("read", f"{topic}/0", None)
    source.close()


@pytest.mark.parametrize("start", ["resume", "earliest"])
def test_what_is_deleted_before_it_is_read_ends_the_source(kafka: Kafka, start: str) -> None:
    settings = settings_of(kafka, start=start)
    topic = settings.interactions_topic
    kafka.produce(topic, clicks(5))
    source = KafkaSource(settings, group="g")
    partition = source.build_part("read", f"{topic}/0", None)
    read_until([partition], lambda got: records_of_batches(got) == 5)
    [reader] = source._readers.values()
    reader._consumer.pause([TopicPartition(topic, 0)])  # it falls behind
    kafka.produce(topic, clicks(20))
    deleted_below(kafka, topic, 20)
    reader._consumer.resume([TopicPartition(topic, 0)])
    with pytest.raises(SourceError, match="begins at offset 20, but 5 is next for the model"):
        read_until([partition], lambda got: records_of_batches(got) > 100)
    source.close()
