"""A real Kafka for tests: topics of their own, and what is in them."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from rillrec.broker_runtime import runtime_for
from schemas.errors import ProcessFailed

Pair = tuple[str | bytes | None, bytes | None]
_numbers = itertools.count()


class Kafka:
    """A broker that runs, and short words for what tests do with it."""

    def __init__(self, brokers: str) -> None:
        self.brokers = brokers
        self.admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})

    def topic(
        self, name: str = "t", *, partitions: int = 1, config: Mapping[str, str] | None = None
    ) -> str:
        """Return the name of a new topic, which no other test has."""
        [topic] = self._made({name: dict(config or {})}, partitions)
        return topic

    def topics(self, *, partitions: int = 1) -> dict[str, str]:
        """Return settings that name a full set of new topics."""
        names = ("interactions", "impressions", "items", "forget", "dead-letters", "incidents")
        configs: dict[str, dict[str, str]] = {name: {} for name in names}
        configs["items"] = {"cleanup.policy": "compact"}
        made = self._made(configs, partitions)
        return {
            f"{name.replace('-', '_')}_topic": topic
            for name, topic in zip(names, made, strict=True)
        }

    def _made(self, configs: Mapping[str, dict[str, str]], partitions: int) -> list[str]:
        """Return the names of new topics, once all their partitions have leaders."""
        topics = {f"{name}-{os.getpid()}-{next(_numbers)}": c for name, c in configs.items()}
        wanted = [NewTopic(topic, partitions, 1, config=c) for topic, c in topics.items()]
        for created in self.admin.create_topics(wanted).values():
            created.result(120)
        deadline = time.monotonic() + 120
        for topic in topics:
            while not self._is_led(topic, partitions):
                assert time.monotonic() < deadline
                time.sleep(0.02)
        return list(topics)

    def _is_led(self, topic: str, partitions: int) -> bool:
        found = self.admin.list_topics(topic, timeout=60).topics[topic].partitions
        return len(found) == partitions and all(one.leader >= 0 for one in found.values())

    def produce(self, topic: str, pairs: Iterable[Pair], *, partition: int = -1) -> None:
        """Append (key, value) pairs, and return when all are acknowledged."""
        failed: list[str] = []
        producer = Producer(
            {
                "bootstrap.servers": self.brokers,
                "enable.idempotence": True,
                "max.in.flight": 1,  # with more, what is reported delivered may be lost
                "log_level": 0,
            }
        )

        def told(error: object, _message: Message) -> None:
            if error is not None:
                failed.append(str(error))

        for key, value in pairs:
            while True:
                try:
                    producer.produce(topic, value, key, partition, on_delivery=told)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        assert producer.flush(240) == 0
        assert not failed, failed[0]

    def ends(self, topic: str) -> dict[int, int]:
        """Return partition to the offset that the next message gets."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": "ends", "log_level": 0})
        try:
            partitions = consumer.list_topics(topic, timeout=60).topics[topic].partitions
            return {p: _end(consumer, TopicPartition(topic, p)) for p in partitions}
        finally:
            consumer.close()

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return partition to what a consumer group has committed of a topic.

        Not asked by the admin client: that of librdkafka 2.16 crashes on a group that is new.
        """
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": group, "log_level": 0})
        try:
            partitions = consumer.list_topics(topic, timeout=60).topics[topic].partitions
            places = consumer.committed([TopicPartition(topic, p) for p in partitions], 120)
            return {place.partition: place.offset for place in places if place.offset >= 0}
        finally:
            consumer.close()

    def delete_below(self, topic: str, partition: int, offset: int) -> None:
        """Have the broker delete what lies below an offset, as retention does."""
        where = TopicPartition(topic, partition, offset)
        for done in self.admin.delete_records([where]).values():
            done.result(120)

    def consume(self, topic: str, *, timeout_s: float = 120.0) -> Sequence[Message]:
        """Return all that a topic holds now, each partition in order."""
        left = {p: end for p, end in self.ends(topic).items() if end}
        consumer = Consumer(
            {
                "bootstrap.servers": self.brokers,
                "group.id": "reader",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        try:
            consumer.assign([TopicPartition(topic, p, 0) for p in left])
            found: list[Message] = []
            deadline = time.monotonic() + timeout_s
            while left:
                assert time.monotonic() < deadline, f"{topic} has not shown all up to {left}"
                for message in consumer.consume(1_000, 0.2):
                    partition, offset = message.partition(), message.offset()
                    if message.error() is None:
                        found.append(message)
                        offset += 1
                    elif message.error().code() != KafkaError._PARTITION_EOF:
                        raise AssertionError(message.error())
                    if partition in left and offset >= left[partition]:
                        del left[partition]
            return found
        finally:
            consumer.close()


def _end(consumer: Consumer, place: TopicPartition) -> int:
    """Return the offset that a partition gives next; one that is new gets its leader first."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return consumer.get_watermark_offsets(place, timeout=60)[1]
        except KafkaException as error:
            is_new = error.args[0].code() == KafkaError.NOT_LEADER_FOR_PARTITION
            if not is_new or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def need_broker(directory: Path, *, environ: Mapping[str, str]) -> None:
    """Skip, loudly, where no broker can be had; fail where that must not be, as in CI."""
    try:
        runtime_for(directory)
    except ProcessFailed as error:
        lacking(f"{error}; for the tests, RILLREC_TEST_KAFKA may name one", environ=environ)


def lacking(why: str, *, environ: Mapping[str, str]) -> NoReturn:
    """Skip a test that lacks something to talk to Kafka with; fail in CI, where all is tested."""
    told = f"NOT TESTED AGAINST KAFKA: {why}"
    if environ.get("CI"):
        pytest.fail(told, pytrace=False)
    pytest.skip(told)
