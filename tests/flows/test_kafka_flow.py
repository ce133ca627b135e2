"""The whole flow over topics of a real Kafka, on one worker and on several."""

from __future__ import annotations

import json

import pytest
from confluent_kafka import TopicPartition

from flows.sources.kafka import KafkaSource
from schemas.errors import RillrecError, SourceError
from schemas.settings_kafka import KafkaSettings
from serving.store import MemoryStore
from tests.flows.kafka_streams import clicks, settings_of, store_at
from tests.flows.streams import run, troubled
from tests.kafka import Kafka, Pair

USERS = [f"u{n}" for n in range(25)]


def keyed(events: list[tuple[str, bytes]], event_type: str) -> list[Pair]:
    """Return the events of a type with their users as keys, as far as they tell."""
    pairs: list[Pair] = []
    for kind, payload in events:
        if kind == event_type:
            try:
                key = json.loads(payload).get("user_id")
            except ValueError:
                key = None
            pairs.append((key, payload))
    return pairs


def read_on(
    settings: KafkaSettings, store: MemoryStore, *, workers: int = 1
) -> tuple[int, dict[tuple[str, str], int]]:
    """Run the flow over all that the topics hold; return what was trained on, and decided."""
    source = KafkaSource(settings, group="g", batch_size=50, follow=False)
    learner, tally = run(source, store, workers=workers)
    source.close()
    return learner.state.progress.trained, dict(tally.verdicts)


def test_two_workers_leave_the_same_users_behind_as_one(kafka: Kafka) -> None:
    settings = settings_of(kafka, partitions=4)
    events = troubled(600)
    kafka.produce(settings.interactions_topic, keyed(events, "interaction"))
    kafka.produce(settings.items_topic, [("i1", b'{"item_id": "i1", "title": "Tea"}')])
    one, two = MemoryStore(), MemoryStore()
    assert read_on(settings, one) == read_on(settings, two, workers=2)
    assert one.read_users(USERS) == two.read_users(USERS)
    assert one.low_marks() == two.low_marks()
    ends = kafka.ends(settings.interactions_topic)
    assert one.low_marks()[settings.interactions_topic] == ends


def test_a_flow_that_is_started_again_reads_nothing_twice(kafka: Kafka) -> None:
    settings, whole = settings_of(kafka, partitions=2), MemoryStore()
    pairs, store = keyed(troubled(300), "interaction"), MemoryStore()
    kafka.produce(settings.interactions_topic, pairs[:200])
    trained, _ = read_on(settings, store)
    kafka.produce(settings.interactions_topic, pairs[200:])
    more, _ = read_on(settings, store)
    assert more > trained
    assert (more, store.read_users(USERS)) == (read_on(settings, whole)[0], whole.read_users(USERS))


@pytest.mark.parametrize("workers", [1, 2])
def test_one_partition_that_can_not_be_read_ends_the_flow_on_all_workers(
    kafka: Kafka, workers: int
) -> None:
    settings = settings_of(kafka, partitions=4)
    topic = settings.interactions_topic
    for partition in range(4):
        kafka.produce(topic, clicks(10), partition=partition)
    [deleted] = kafka.admin.delete_records([TopicPartition(topic, 3, 5)]).values()
    deleted.result(120)
    source, told = KafkaSource(settings, group="g"), list[RillrecError]()
    source.on_failure = told.append
    run(source, store_at({topic: dict.fromkeys(range(4), 2)}), workers=workers)
    source.close()
    assert [type(error) for error in told] == [SourceError]
    assert f"{topic}/3 begins at offset 5, but 2 is next" in str(told[0])
