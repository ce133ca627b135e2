"""Topics of a real Kafka, read in batches."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer, TopicPartition

from flows.batches import Refused, SourceBatch
from flows.decode import decode_json
from flows.sources.kafka import KafkaSource
from schemas.events import Interaction, ItemUpdate
from tests.flows.kafka_streams import (
    check_continuous,
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
from tests.flows.streams import NOW_MS
from tests.kafka import Kafka


def test_each_partition_begins_with_an_empty_batch_that_wakes_the_learner(kafka: Kafka) -> None:
    settings = settings_of(kafka, partitions=2)
    kafka.produce(settings.interactions_topic, clicks(5), partition=1)
    source = KafkaSource(settings, group="g")
    first = [batch for partition in opened(source) for batch in partition.next_batch()]
    assert len(first) == len(source.list_parts()) == 8
    assert all((b.seq, b.begin, b.end, b.records) == (0, 0, 0, []) for b in first)
    source.close()


def test_records_come_once_in_order_in_batches_that_join(kafka: Kafka) -> None:
    settings = settings_of(kafka, partitions=3)
    kafka.produce(settings.interactions_topic, clicks(2_500))
    batches = to_the_end(KafkaSource(settings, group="g", batch_size=100, follow=False))
    check_continuous(batches)
    assert records_of_batches(batches) == 2_500
    assert max(len(batch.records) for batch in batches) == 100
    for partition, end in kafka.ends(settings.interactions_topic).items():
        assert offsets_in(batches, settings.interactions_topic, partition) == list(range(end))


def test_a_batch_knows_when_its_last_record_was_appended(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    producer = Producer({"bootstrap.servers": kafka.brokers})
    for n in range(3):
        producer.produce(settings.interactions_topic, b"{}", timestamp=1_700_000_000_000 + n)
    producer.flush(10)
    [batch] = [
        one for one in to_the_end(KafkaSource(settings, group="g", follow=False)) if one.records
    ]
    assert batch.newest_ms == 1_700_000_000_002


def test_the_topic_tells_the_type_of_the_event(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    topics = {
        settings.interactions_topic: "interaction",
        settings.impressions_topic: "impression",
        settings.items_topic: "item",
        settings.forget_topic: "forget",
    }
    for topic in topics:
        kafka.produce(topic, [("k", b'{"x": 1}')])
    batches = to_the_end(KafkaSource(settings, group="g", follow=False))
    seen = {batch.topic: record for batch in batches for record in batch.records}
    assert seen == {topic: (0, kind, b'{"x": 1}') for topic, kind in topics.items()}


def test_an_event_without_a_key_is_one_like_others(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    kafka.produce(settings.interactions_topic, [(None, value) for _, value in clicks(3)])
    batches = to_the_end(KafkaSource(settings, group="g", follow=False))
    [batch] = [one for one in batches if one.records]
    happenings, _ = decode_json(batch.records, now_ms=NOW_MS)
    assert [type(event) for _, event, _ in happenings] == [Interaction] * 3


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_batches_are_read(kafka: Kafka, codec: str) -> None:
    settings = settings_of(kafka)
    producer = Producer({"bootstrap.servers": kafka.brokers, "compression.type": codec})
    for key, value in clicks(300):
        producer.produce(settings.interactions_topic, value, key)
    assert producer.flush(20) == 0
    batches = to_the_end(KafkaSource(settings, group="g", follow=False))
    assert [record[2] for batch in batches for record in batch.records] == [
        value for _, value in clicks(300)
    ]


def test_what_a_transaction_leaves_behind_is_passed_over(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    topic = settings.interactions_topic
    producer = Producer(
        {"bootstrap.servers": kafka.brokers, "transactional.id": f"of {topic}", "log_level": 0}
    )
    producer.init_transactions(30)
    for commits in (True, False):
        producer.begin_transaction()
        for key, value in clicks(5):
            producer.produce(topic, value, key)
        producer.flush(10)
        (producer.commit_transaction if commits else producer.abort_transaction)(30)
    assert kafka.ends(topic) == {0: 12}  # a marker behind each transaction
    batches = to_the_end(KafkaSource(settings, group="g", follow=False))
    check_continuous(batches)
    assert offsets_in(batches, topic) == [0, 1, 2, 3, 4]
    assert max(batch.end for batch in batches if batch.topic == topic) == 12


def test_an_open_transaction_is_waited_for_or_not_read_at_all(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    topic = settings.interactions_topic
    producer = Producer(
        {"bootstrap.servers": kafka.brokers, "transactional.id": f"of {topic}", "log_level": 0}
    )
    kafka.produce(topic, clicks(3))
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, clicks(1)[0][1])
    producer.flush(10)
    kafka.produce(topic, clicks(2))
    batches = to_the_end(KafkaSource(settings, group="g", follow=False))
    assert offsets_in(batches, topic) == [0, 1, 2]
    source = KafkaSource(settings, group="g")
    partitions = opened(source)
    read_until(partitions, lambda got: records_of_batches(got) == 3)
    producer.commit_transaction(30)
    read_until(partitions, lambda got: records_of_batches(got) == 3)
    source.close()


def test_a_compacted_catalogue_is_read_over_its_holes_with_its_deletions(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    items = [("tea", b'{"item_id": "tea"}'), ("milk", b'{"item_id": "milk"}'), ("tea", None)]
    kafka.produce(settings.items_topic, items)
    batches = to_the_end(KafkaSource(settings, group="g", follow=False))
    [batch] = [one for one in batches if one.records]
    happenings, _ = decode_json(batch.records, now_ms=NOW_MS)
    assert [event for _, event, _ in happenings] == [
        ItemUpdate(item_id="tea"),
        ItemUpdate(item_id="milk"),
        ItemUpdate(item_id="tea", deleted=True),
    ]


def test_an_event_of_more_bytes_than_are_read_is_refused(kafka: Kafka) -> None:
    topic = kafka.topic("big", config={"max.message.bytes": "3000000"})
    settings = settings_of(kafka, interactions_topic=topic)
    big = b'{"user_id": "ann", "x": "' + b"x" * 2_000_000 + b'"}'
    producer = Producer({"bootstrap.servers": kafka.brokers, "message.max.bytes": 3_000_000})
    for value in (big, clicks(1)[0][1]):
        producer.produce(topic, value)
    assert producer.flush(20) == 0
    batches = to_the_end(KafkaSource(settings, group="g", follow=False))
    records = [record for batch in batches for record in batch.records]
    happenings, _ = decode_json(records, now_ms=NOW_MS)
    (_, refused, kept), (_, click, _) = happenings
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.user_id, len(kept)) == ("size", "ann", 4_096)
    assert isinstance(click, Interaction)


def test_a_source_that_does_not_follow_ends_where_the_topic_ended(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    topic = settings.interactions_topic
    kafka.produce(topic, clicks(7))
    source = KafkaSource(settings, group="g", follow=False)
    partition = source.build_part("read", f"{topic}/0", None)
    kafka.produce(topic, clicks(5, first=7))
    batches = read_until([partition], lambda got: records_of_batches(got) == 7)
    assert offsets_in(batches, topic) == list(range(7))
    with pytest.raises(StopIteration):
        partition.next_batch()
    assert partition.snapshot() == 7
    source.close()


def test_a_quiet_topic_is_asked_again_within_milliseconds(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    source = KafkaSource(settings, group="g")
    partition = source.build_part("read", f"{settings.interactions_topic}/0", None)
    partition.next_batch()
    for _ in range(20):
        assert partition.next_batch() == []
        wake = partition.next_awake()
        assert wake is None or wake - datetime.now(UTC) <= timedelta(milliseconds=5)
    source.close()


def test_a_partition_that_was_read_to_its_end_keeps_nobody_waiting(kafka: Kafka) -> None:
    """What comes for one partition must not fill the room of the others."""
    settings = settings_of(kafka, partitions=4)
    source = KafkaSource(settings, group="g", batch_size=10)
    partitions, most = opened(source), 0
    [reader] = source._readers.values()
    inboxes = reader._inboxes.values()
    read_until(partitions, lambda _: all(reader._is_level(inbox) for inbox in inboxes))
    kafka.produce(settings.interactions_topic, clicks(3_000), partition=3)

    def all_came(batches: list[SourceBatch]) -> bool:
        nonlocal most
        most = max(most, sum(len(inbox.messages) for inbox in inboxes))
        return records_of_batches(batches) == 3_000

    read_until(partitions, all_came)
    assert most < 20
    source.close()


def test_threads_read_partitions_of_their_own_at_the_same_time(kafka: Kafka) -> None:
    settings = settings_of(kafka, partitions=4)
    kafka.produce(settings.interactions_topic, clicks(2_000))
    source, got = KafkaSource(settings, group="g", follow=False), list[SourceBatch]()
    gate = threading.Barrier(2)

    def work(names: list[str]) -> None:
        gate.wait()
        partitions = [source.build_part("read", name, None) for name in names]
        while partitions:
            for partition in list(partitions):
                try:
                    got.extend(partition.next_batch())
                except StopIteration:
                    partitions.remove(partition)
                    partition.close()

    names = source.list_parts()
    threads = [threading.Thread(target=work, args=(names[n::2],)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(source._readers) == 2
    source.close()
    check_continuous(got)
    assert records_of_batches(got) == 2_000


def test_one_user_in_partitions_that_differ_by_topic_and_producer(kafka: Kafka) -> None:
    """Hashes of C and Java differ: the source says whence an event came, and nothing else."""
    settings = settings_of(kafka, partitions=4)
    topic = settings.interactions_topic
    for partition in range(4):
        kafka.produce(topic, [("ann", clicks(1)[0][1])], partition=partition)
    batches = to_the_end(KafkaSource(settings, group="g", follow=False))
    assert {one.partition for one in batches if one.records} == {0, 1, 2, 3}


def test_it_goes_on_where_the_store_stands(kafka: Kafka) -> None:
    settings = settings_of(kafka, partitions=2)
    topic = settings.interactions_topic
    for partition in range(2):
        kafka.produce(topic, clicks(10), partition=partition)
    source = KafkaSource(settings, group="g", follow=False)
    source.resume_from(store_at({topic: {0: 4, 1: 9}}))
    batches = to_the_end(source)
    assert offsets_in(batches, topic, 0) == [4, 5, 6, 7, 8, 9]
    assert offsets_in(batches, topic, 1) == [9]
    assert [b.begin for b in batches if b.topic == topic and b.seq == 0] == [4, 9]


def test_the_engine_s_recovery_offset_counts_where_it_is_lower(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    topic = settings.interactions_topic
    kafka.produce(topic, clicks(10))
    source = KafkaSource(settings, group="g")
    source.resume_from(store_at({topic: {0: 6}}))
    partition = source.build_part("read", f"{topic}/0", 3)
    batches = read_until([partition], lambda got: records_of_batches(got) == 7)
    assert offsets_in(batches, topic) == [3, 4, 5, 6, 7, 8, 9]
    source.close()


def test_a_source_that_is_told_to_end_does(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    source = KafkaSource(settings, group="g")
    [partition, *_] = opened(source)
    source.end()
    with pytest.raises(StopIteration):
        partition.next_batch()
    source.close()


def test_lag_is_what_is_left_to_read(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    topic = settings.interactions_topic
    kafka.produce(topic, clicks(10))
    incidents, _ = told_incidents()
    source = KafkaSource(settings, group="g", incidents=incidents, batch_size=4)
    source.resume_from(store_at({topic: {0: 1}}))
    partitions = opened(source)
    assert incidents.tally.lags[topic, 0] == 9
    assert incidents.tally.lags[settings.items_topic, 0] == 0
    read_until(partitions, lambda got: records_of_batches(got) == 9)
    for partition in partitions:
        partition.close()
    assert incidents.tally.lags[topic, 0] == 0
    source.close()


def test_a_batch_size_below_one_is_refused(kafka: Kafka) -> None:
    with pytest.raises(ValueError, match="batch_size is 0, it must be at least 1"):
        KafkaSource(settings_of(kafka), group="g", batch_size=0)


def test_partitions_of_a_topic_that_shrinks_from_the_front_are_read_from_what_is_left(
    kafka: Kafka,
) -> None:
    settings = settings_of(kafka)
    topic = settings.interactions_topic
    kafka.produce(topic, clicks(10))
    place = TopicPartition(topic, 0, 6)
    kafka.admin.delete_records([place])[TopicPartition(topic, 0)].result(120)
    batches = to_the_end(KafkaSource(settings, group="g", follow=False))
    assert offsets_in(batches, topic) == [6, 7, 8, 9]
