"""What a user is told where Kafka can't be read from."""

from __future__ import annotations

import logging
import time

import pytest
from confluent_kafka.admin import AclOperation

from flows.sources.kafka import KafkaSource
from rillrec.broker import Broker
from rillrec.ports import quiet_ports
from schemas.errors import BrokerError, BrokerUnavailable, RillrecError, SettingsError
from schemas.settings_kafka import KafkaSettings
from tests.flows.kafka_streams import (
    clicks,
    opened,
    read_until,
    settings_of,
    store_at,
    told_incidents,
)
from tests.guarded import as_ann, grant
from tests.kafka import Kafka


def refusal(settings: KafkaSettings) -> RillrecError:
    """Return why a source can't be had, and check that it did not take long to say so."""
    began_s = time.monotonic()
    with pytest.raises(RillrecError) as refused:
        KafkaSource(settings, group="g")
    assert time.monotonic() - began_s < settings.metadata_timeout_s + 60
    return refused.value


def test_a_broker_that_is_down_is_told_with_its_address() -> None:
    [port] = quiet_ports(1)
    error = refusal(KafkaSettings(brokers=f"127.0.0.1:{port}", metadata_timeout_s=3.0))
    assert isinstance(error, BrokerUnavailable)
    assert str(error).startswith(f"Kafka at 127.0.0.1:{port} does not answer: ")
    assert "Connection refused" in str(error)
    assert "; is it running, and " in str(error)


def test_a_host_that_does_not_exist_is_told() -> None:
    settings = KafkaSettings(brokers="no.such.host.invalid:9092", metadata_timeout_s=15.0)
    assert "Failed to resolve 'no.such.host.invalid:9092'" in str(refusal(settings))


def test_a_topic_of_interactions_that_does_not_exist_is_told_with_the_command(
    kafka: Kafka,
) -> None:
    error = refusal(settings_of(kafka, interactions_topic="nowhere"))
    assert isinstance(error, BrokerError)
    assert str(error) == (
        f"Kafka at {kafka.brokers} has no topic 'nowhere': create it (`rillrec topics create`), or "
        "name another"
    )


def test_other_topics_are_done_without(kafka: Kafka, caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_of(kafka, impressions_topic="nowhere")
    with caplog.at_level(logging.WARNING):
        source = KafkaSource(settings, group="g")
    [said] = caplog.messages
    assert said.startswith("reading no impressions: Kafka at")
    assert "has no topic 'nowhere'" in said
    assert {topic for topic, _ in source.parts} == {
        settings.interactions_topic,
        settings.items_topic,
        settings.forget_topic,
    }
    source.close()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("no.such.property", "1", 'No such configuration property: "no.such.property"'),
        ("security.protocol", "carrier pigeon", "security.protocol"),
        ("fetch.min.bytes", "-4", "fetch.min.bytes"),
        ("ssl.ca.location", "/nowhere/ca.pem", "ssl.ca.location"),
    ],
)
def test_a_property_that_librdkafka_does_not_take_is_told(
    kafka: Kafka, name: str, value: str, told: str
) -> None:
    properties = {name: value}
    if name.startswith("ssl"):
        properties["security.protocol"] = "SSL"
    error = refusal(settings_of(kafka, properties=properties))
    assert isinstance(error, SettingsError)
    assert told in str(error)
    assert "librdkafka's CONFIGURATION.md lists what there is" in str(error)


def test_a_topic_that_is_deleted_while_it_is_read_ends_the_source(kafka: Kafka) -> None:
    settings = settings_of(kafka, properties={"topic.metadata.propagation.max.ms": "500"})
    topic = settings.interactions_topic
    source = KafkaSource(settings, group="g")
    told: list[RillrecError] = []
    source.on_failure = told.append
    partitions = opened(source)
    kafka.produce(topic, clicks(3))
    read_until(partitions, lambda got: sum(len(one.records) for one in got) == 3)
    kafka.admin.delete_topics([topic])[topic].result(120)
    with pytest.raises(StopIteration):
        read_until(partitions, lambda _: bool(told))
    assert f"has no topic '{topic}': create it" in str(told[0])
    source.close()


def test_a_wrong_password_is_told_at_once_and_not_shown(guarded: Broker) -> None:
    began_s = time.monotonic()
    error = refusal(as_ann(guarded, password="guessed", metadata_timeout_s=240.0))
    assert time.monotonic() - began_s < 120
    assert isinstance(error, BrokerError)
    assert not isinstance(error, BrokerUnavailable)
    assert "refuses the credentials: " in str(error)
    assert "correct sasl.username, sasl.password" in str(error)
    assert "guessed" not in str(error)


def test_a_topic_that_one_may_not_know_of_is_told(guarded: Broker) -> None:
    settings = as_ann(guarded)
    told = str(refusal(settings))
    assert f"denies access to '{settings.interactions_topic}'" in told
    assert told.endswith("grant this user the ACL")


def test_a_topic_that_one_may_not_read_ends_the_source(
    guarded: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    settings = as_ann(guarded)
    topic = settings.interactions_topic
    grant(guarded, topic, AclOperation.DESCRIBE)
    with caplog.at_level(logging.WARNING):
        source = KafkaSource(settings, group="g")
    assert sum("reading no" in line for line in caplog.messages) == 3
    assert source.list_parts() == [f"{topic}/0"]
    with pytest.raises(BrokerError, match=f"denies access to '{topic}'.* grant this user the ACL"):
        read_until(opened(source), lambda _: False)
    source.close()


@pytest.mark.slow
def test_without_a_right_to_the_group_one_reads_and_says_that_lag_tools_see_nothing(
    guarded: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    settings = as_ann(guarded)
    topic = settings.interactions_topic
    grant(guarded, topic, AclOperation.DESCRIBE, AclOperation.READ)
    Kafka(guarded.address).produce(topic, clicks(5))
    incidents, _ = told_incidents()
    source = KafkaSource(settings, group="not-ours", incidents=incidents)
    source.resume_from(store_at({topic: {0: 2}}))
    batches = read_until(opened(source), lambda _: incidents.tally.commit_failures > 0)
    source.close()
    assert sum(len(one.records) for one in batches) == 3
    [said] = [line for line in caplog.messages if "lag tools" in line]
    assert said.startswith("offsets can't be committed to the group 'not-ours'")
