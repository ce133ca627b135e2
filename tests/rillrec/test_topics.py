"""``rillrec topics``: what is made, what is left as it is, and what is told of it."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from rillrec.broker import Broker
from rillrec.kafka_client import Admin
from rillrec.topic_states import Topic, describe
from rillrec.topics import create, plans
from schemas.errors import BrokerError, BrokerUnavailable, SettingsError
from schemas.kafka import MAX_MESSAGE_BYTES
from schemas.settings_kafka import KafkaSettings
from tests.kafka import Kafka
from tests.rillrec.conftest import Run

DAY_MS = 86_400_000


def test_topics_are_made_as_each_must_be(run: Run, kafka_settings: KafkaSettings) -> None:
    ran = run("topics", "create", "--partitions", 3, "--retention-days", 2)
    assert ran.code == 0
    assert ran.out.count("created ") == 6
    assert f"{kafka_settings.incidents_topic:<20} 1 partition " in ran.out
    names = [plan.name for plan in plans(kafka_settings)]
    found = describe(Admin(kafka_settings), names)
    assert [len(found[name].partitions) for name in names] == [3, 3, 3, 3, 3, 1]
    policies = [found[name].config["cleanup.policy"] for name in names]
    assert policies == ["delete", "delete", "compact", "delete", "delete", "delete"]
    assert found[kafka_settings.forget_topic].config["retention.ms"] == "-1"
    assert found[kafka_settings.interactions_topic].config["retention.ms"] == f"{2 * DAY_MS}"
    assert {found[name].config["max.message.bytes"] for name in names} == {f"{MAX_MESSAGE_BYTES}"}


def test_what_is_there_stays_as_it_is_and_what_differs_is_told(
    run: Run, kafka_settings: KafkaSettings
) -> None:
    run("topics", "create", "--partitions", 2)
    again = run("topics", "create", "--partitions", 2)
    assert (again.code, again.out.count("exists  "), again.err) == (0, 6, "")
    other = run("topics", "create", "--partitions", 5, "--retention-days", 9)
    assert other.code == 0
    assert other.err.count("it has 2 partitions, not 5: that works; more can be added") == 5
    assert f"retention.ms is 604800000, not {9 * DAY_MS}: kafka-configs --alter" in other.err


def test_a_catalogue_that_is_not_compacted_is_told(
    run: Run, kafka_settings: KafkaSettings, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = kafka.topic("items", partitions=8, config={"max.message.bytes": "4000000"})
    monkeypatch.setenv("RILLREC_KAFKA__ITEMS_TOPIC", topic)
    ran = run("topics", "create")
    assert f"{topic}: its cleanup.policy is delete, not compact: kafka-configs" in ran.err
    assert f"--entity-name {topic} --add-config cleanup.policy=compact" in ran.err
    assert "max.message.bytes" not in ran.err


def test_lists_show_what_there_is_and_how_far_the_flow_is_behind(
    run: Run, kafka_settings: KafkaSettings, kafka: Kafka
) -> None:
    nothing = run("topics", "list")
    assert nothing.out.count("missing") == 6
    assert "`rillrec topics create` makes them" in nothing.err
    run("topics", "create", "--partitions", 2)
    topic = kafka_settings.interactions_topic
    kafka.produce(topic, [(f"u{n}", b"{}") for n in range(2_000)])
    assert re.search(r" 2,000 +not committed\n", run("topics", "list").out)
    commit(kafka_settings, TopicPartition(topic, 0, 100))
    [listed, *_] = json.loads(run("topics", "list", "--json").out)["topics"]
    assert (listed["name"], listed["lag"]) == (topic, 1_900)
    lags = {part["number"]: (part["committed"], part["lag"]) for part in listed["partitions"]}
    assert lags[0] == (100, listed["partitions"][0]["high"] - 100)
    assert lags[1][0] is None
    assert any(line.endswith(" 1,900") for line in run("topics", "list").out.splitlines())


def test_what_retention_has_deleted_is_no_lag(
    run: Run, kafka_settings: KafkaSettings, kafka: Kafka
) -> None:
    run("topics", "create", "--partitions", 1)
    topic = kafka_settings.interactions_topic
    kafka.produce(topic, [("u", b"{}")] * 10)
    commit(kafka_settings, TopicPartition(topic, 0, 3))
    kafka.delete_below(topic, 0, 6)
    found = describe(Admin(kafka_settings), [topic], group=kafka_settings.group)[topic]
    assert (found.messages, found.lag) == (4, 4)


def commit(settings: KafkaSettings, *places: TopicPartition) -> None:
    consumer = Consumer({"bootstrap.servers": settings.brokers, "group.id": settings.group})
    consumer.commit(offsets=list(places), asynchronous=False)
    consumer.close()


def test_topics_that_somebody_else_makes_meanwhile_are_taken(
    kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = plans(kafka_settings, partitions=1)
    create(Admin(kafka_settings), wanted)
    looks: list[object] = []

    def look(*asked: Any) -> dict[str, Topic]:
        looks.append(asked)
        return {} if len(looks) == 1 else describe(*asked)  # first as it was before they did

    monkeypatch.setattr("rillrec.topics.describe", look)
    assert not any(one.is_new for one in create(Admin(kafka_settings), wanted))


def test_topics_that_are_made_and_never_listed_are_told(
    kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rillrec.topics.describe", lambda *_: {})
    hasty = kafka_settings.model_copy(update={"metadata_timeout_s": 5.0})
    [wanted, *_] = plans(hasty, partitions=1)
    with pytest.raises(BrokerUnavailable, match=f"has made {wanted.name}, but does not list them"):
        create(Admin(hasty), [wanted])


def test_brokers_that_are_not_named_or_not_there_are_told(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run("topics", "create")
    assert (ran.code, ran.err) == (
        3,
        "error: kafka.brokers is empty: say --brokers HOST:PORT, or set it in rillrec.toml or as "
        "RILLREC_KAFKA__BROKERS\n",
    )
    monkeypatch.setenv("RILLREC_KAFKA__METADATA_TIMEOUT_S", "0.5")
    for address, cause in (("127.0.0.1:1", "Connection refused"), ("no.invalid:9", "resolve")):
        ran = run("topics", "list", "--brokers", address)
        assert ran.code == 4
        assert f"Kafka at {address} does not answer: " in ran.err
        assert cause in ran.err
        assert "is it running, and are kafka.brokers and security.protocol right?" in ran.err


def test_more_copies_than_brokers_are_told(run: Run, kafka_settings: KafkaSettings) -> None:
    ran = run("topics", "create", "--replication", 99)
    assert ran.code == 4
    assert "has too few brokers" in ran.err
    assert "say a lower --replication" in ran.err


def test_properties_that_librdkafka_does_not_know_are_told_without_their_values(
    run: Run, kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RILLREC_KAFKA__PROPERTIES__DEBUG", "hush")
    ran = run("topics", "list")
    assert ran.code == 3
    assert "error: kafka.properties: Invalid value (a secret) for configuration prop" in ran.err
    assert "hush" not in ran.err


@pytest.mark.slow
def test_credentials_and_rights_that_are_refused_are_told_at_once(own_broker: Broker) -> None:
    properties = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "ann",
    }
    wrong = KafkaSettings(
        brokers=own_broker.sasl_address, properties={**properties, "sasl.password": "guess"}
    )
    with pytest.raises(BrokerError, match=r"refuses the credentials: .*correct sasl\.username"):
        Admin(wrong).metadata()
    right = KafkaSettings(
        brokers=own_broker.sasl_address, properties={**properties, "sasl.password": "open sesame"}
    )
    assert Admin(right).metadata().brokers
    deny(own_broker, right.interactions_topic)
    with pytest.raises(BrokerError, match=r"denies access to 'interactions': .*grant this user"):
        create(Admin(right), plans(right)[:1])


def deny(broker: Broker, topic: str) -> None:
    """Let only somebody else use a topic."""
    who = ("User:bob", "*", AclOperation.ALL, AclPermissionType.ALLOW)
    admin = AdminClient({"bootstrap.servers": broker.address})
    for kind, name in ((ResourceType.TOPIC, topic), (ResourceType.BROKER, "kafka-cluster")):
        binding = AclBinding(kind, name, ResourcePatternType.LITERAL, *who)
        admin.create_acls([binding])[binding].result(10)


@pytest.mark.slow
def test_a_certificate_that_nobody_vouches_for_is_told(tmp_path: Path, kafka: Kafka) -> None:
    with Broker(tmp_path, tls=True) as broker:
        stranger = KafkaSettings(
            brokers=broker.tls_address, properties={"security.protocol": "SSL"}
        )
        with pytest.raises(BrokerError, match=r"can't be trusted.*correct ssl\.ca\.location"):
            Admin(stranger).metadata()
        known = {"security.protocol": "SSL", "ssl.ca.location": str(broker.certificate.pem)}
        assert Admin(KafkaSettings(brokers=broker.tls_address, properties=known)).metadata().brokers


def test_errors_tell_whether_the_broker_was_away() -> None:
    with pytest.raises(BrokerUnavailable):
        Admin(KafkaSettings(brokers="127.0.0.1:1", metadata_timeout_s=0.2)).metadata()
    with pytest.raises(SettingsError, match="No such configuration property"):
        Admin(KafkaSettings(brokers="127.0.0.1:1", properties={"no.such": "x"}))


def test_a_broker_that_hangs_is_given_up(own_broker: Broker) -> None:
    admin = Admin(KafkaSettings(brokers=own_broker.address, metadata_timeout_s=6))
    assert admin.metadata().brokers
    assert own_broker.pid is not None
    os.kill(own_broker.pid, signal.SIGSTOP)
    try:
        with pytest.raises(BrokerUnavailable, match="does not answer"):
            admin.answers(lambda: admin.client.create_topics([NewTopic("x", 1)]))
    finally:
        os.kill(own_broker.pid, signal.SIGCONT)
