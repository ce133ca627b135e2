"""``rillrec doctor`` with Kafka: brokers, topics, lag."""

from __future__ import annotations

import importlib.util

import pytest
from confluent_kafka import Consumer, TopicPartition

from rillrec.checkup import Finding
from rillrec.checkup_kafka import BEHIND, check_kafka
from schemas.settings import Settings
from schemas.settings_kafka import KafkaSettings
from tests.kafka import Kafka
from tests.rillrec.conftest import Run

CLIENT = "confluent_kafka"


def findings(kafka: KafkaSettings) -> dict[str, Finding]:
    return {found.name: found for found in check_kafka(Settings(kafka=kafka))}


def commit(settings: KafkaSettings, offset: int) -> None:
    consumer = Consumer({"bootstrap.servers": settings.brokers, "group.id": settings.group})
    place = TopicPartition(settings.interactions_topic, 0, offset)
    consumer.commit(offsets=[place], asynchronous=False)
    consumer.close()


def test_topics_that_are_missing_are_told_with_what_makes_them(
    run: Run, kafka_settings: KafkaSettings
) -> None:
    ran = run("doctor", "--brokers", kafka_settings.brokers)
    assert ran.code == 1
    assert f"ok    kafka             1 broker at {kafka_settings.brokers}" in ran.out
    assert f"fail  kafka topics      missing: {kafka_settings.interactions_topic}, " in ran.out
    assert "→ rillrec topics create" in ran.out
    assert "event log" not in ran.out


def test_all_is_well_before_the_first_event(run: Run, kafka_settings: KafkaSettings) -> None:
    run("topics", "create", "--partitions", 1)
    found = findings(kafka_settings)
    assert {one.status for one in found.values()} == {"ok"}
    assert found["kafka topics"].detail == "all are there; partitions of events: 1"
    assert found["kafka lag"].detail.endswith("has read nothing yet of 0 messages")


def test_a_flow_that_is_behind_is_told(
    run: Run, kafka_settings: KafkaSettings, kafka: Kafka
) -> None:
    run("topics", "create", "--partitions", 1)
    kafka.produce(kafka_settings.interactions_topic, [("u", b"{}")] * (BEHIND + 5))
    unread = findings(kafka_settings)["kafka lag"]
    assert (unread.status, unread.remedy) == ("warn", "start `rillrec flow`")
    commit(kafka_settings, 5)
    behind = findings(kafka_settings)["kafka lag"]
    assert (behind.status, behind.detail) == (
        "warn",
        f"{kafka_settings.group} is {BEHIND:,} messages behind",
    )
    commit(kafka_settings, BEHIND + 4)
    almost = findings(kafka_settings)["kafka lag"]
    assert (almost.status, almost.detail) == ("ok", f"{kafka_settings.group} is 1 message behind")


def test_a_topic_that_would_lose_items_is_told(kafka: Kafka) -> None:
    topics = kafka.topics(partitions=2)
    items = kafka.topic("items")
    found = findings(KafkaSettings(brokers=kafka.brokers, **{**topics, "items_topic": items}))
    told = found[f"topic {items}"]
    assert told.status == "warn"
    assert found["kafka topics"].detail.endswith("events: 1 to 2")


def test_brokers_that_do_not_answer_are_told() -> None:
    found = findings(KafkaSettings(brokers="127.0.0.1:1", metadata_timeout_s=0.3))
    assert found["kafka"].status == "fail"
    assert "Kafka at 127.0.0.1:1 does not answer" in found["kafka"].detail


def test_a_missing_client_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == CLIENT else find_spec(name)
    )
    [found] = check_kafka(Settings(kafka=KafkaSettings(brokers="127.0.0.1:1")))
    assert found.remedy == "pip install 'rillrec[kafka]'"
    ran = run("topics", "list", "--brokers", "127.0.0.1:1")
    assert ran.code == 4
    assert "`rillrec topics list` takes confluent-kafka, which is not installed" in ran.err
