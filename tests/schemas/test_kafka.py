"""Kafka's settings, and its errors in words."""

from __future__ import annotations

import pytest

from schemas.errors import SettingsError
from schemas.kafka import (
    client_properties,
    event_types,
    explained,
    is_away,
    is_passing,
    producer_properties,
    property_refused,
    start_ms,
    topic_of,
)
from schemas.settings import Settings
from schemas.settings_environ import environ_of
from schemas.settings_kafka import KafkaSettings
from schemas.settings_loading import load_settings

SECRETS = {
    "RILLREC_KAFKA__BROKERS": "one:9092,two:9092",
    "RILLREC_KAFKA__PROPERTIES__SASL_PASSWORD": 'a "secret" \\ one',
    "RILLREC_KAFKA__PROPERTIES__SOCKET_KEEPALIVE_ENABLE": "true",
    "RILLREC_KAFKA__PROPERTIES__STATISTICS_INTERVAL_MS": "5",
}


def test_properties_come_from_the_environment_and_reach_librdkafka_as_text() -> None:
    kafka = load_settings(environ=SECRETS).kafka
    assert client_properties(kafka, {"client.id": "x"}) == {
        "bootstrap.servers": "one:9092,two:9092",
        "sasl.password": 'a "secret" \\ one',
        "socket.keepalive.enable": "true",
        "statistics.interval.ms": "5",
        "client.id": "x",
    }


def test_properties_survive_the_way_to_a_child_process() -> None:
    settings = load_settings(environ=SECRETS)
    again = load_settings(environ=environ_of(settings))
    assert client_properties(again.kafka) == client_properties(settings.kafka)


def test_no_property_is_ever_shown() -> None:
    settings = load_settings(environ=SECRETS)
    assert "secret" not in f"{settings!r} {settings.kafka.properties}"


@pytest.mark.parametrize("password", ["1e5", "0x10", "true", '"quoted"', "1_000", "{a=1}", " a "])
def test_a_secret_that_looks_like_a_number_stays_as_it_was_written(password: str) -> None:
    variable = "RILLREC_KAFKA__PROPERTIES__SASL_PASSWORD"
    kafka = load_settings(environ={variable: password}).kafka
    assert client_properties(kafka)["sasl.password"] == password


def test_properties_that_are_no_table_are_refused_without_showing_them() -> None:
    with pytest.raises(SettingsError, match=r"\{'sasl.username' = 'me'\}; or set") as refused:
        load_settings(environ={"RILLREC_KAFKA__PROPERTIES": "{sasl.password = 'hush"})
    assert "hush" not in str(refused.value)


def test_what_is_said_to_the_tests_is_no_setting() -> None:
    assert load_settings(environ={"RILLREC_TEST_KAFKA": "one:9092"}) == Settings()


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("group.id", "set kafka.group"),
        ("AUTO_OFFSET_RESET", r"set kafka\.start \(--from\)"),
        ("acks", "it is always all"),
        ("max.in.flight", "it is always 1"),
    ],
)
def test_properties_that_decide_what_is_guaranteed_are_refused(name: str, remedy: str) -> None:
    variable = f"RILLREC_KAFKA__PROPERTIES__{name.upper().replace('.', '_')}"
    with pytest.raises(SettingsError, match=remedy) as refused:
        load_settings(environ={variable: "hush"})
    assert "hush" not in str(refused.value)
    assert "(a secret)" in str(refused.value)


@pytest.mark.parametrize("brokers", ["kafka", "kafka:", ":9092", "kafka:0", "a:1,b:70000"])
def test_brokers_are_addresses(brokers: str) -> None:
    with pytest.raises(SettingsError, match="brokers are host:port"):
        load_settings(environ={"RILLREC_KAFKA__BROKERS": brokers})


@pytest.mark.parametrize("start", ["yesterday", "12", "2026-13-01", "9" * 30, ""])
def test_a_start_that_names_no_place_is_refused(start: str) -> None:
    with pytest.raises(SettingsError, match="use resume, earliest, latest, a time such as"):
        load_settings(environ={}, options={"kafka": {"start": start}})


def test_a_start_may_be_a_time() -> None:
    for start in ("resume", "earliest", "latest", "2026-01-01", "1767225600000"):
        assert KafkaSettings(start=start).start == start
    assert start_ms("2026-01-01") == 1_767_225_600_000


def test_topics_tell_types_and_types_topics() -> None:
    kafka = KafkaSettings(items_topic="catalogue")
    assert event_types(kafka)["catalogue"] == "item"
    assert topic_of(kafka, "item") == "catalogue"
    assert topic_of(kafka, "no such type") == "interactions"


def test_the_group_is_named_after_the_model() -> None:
    assert Settings().kafka.group_of("shop") == "rillrec-shop"
    assert KafkaSettings(group="mine").group_of("shop") == "mine"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("_ALL_BROKERS_DOWN", "does not answer: why; is it running"),
        ("UNKNOWN_TOPIC_OR_PART", "no topic 't': create it (`rillrec topics create`)"),
        ("SASL_AUTHENTICATION_FAILED", "refuses the credentials: why; correct sasl.username"),
        ("_SSL", "can't be trusted, or does not trust us: why; correct ssl.ca.location"),
        ("TOPIC_AUTHORIZATION_FAILED", "denies access to 't': why; grant"),
        ("OFFSET_OUT_OF_RANGE", "has deleted what 't' held there: why; go on with --from earliest"),
        ("MSG_SIZE_TOO_LARGE", "too large: why; raise the topic's max.message.bytes"),
        ("INVALID_REPLICATION_FACTOR", "too few brokers: why; say a lower --replication"),
        ("INVALID_CONFIG", "refused: why (INVALID_CONFIG), topic 't'"),
    ],
)
def test_errors_name_cause_value_and_remedy(name: str, words: str) -> None:
    said = explained(name, "why", brokers="b:9092", topic="t")
    assert said.startswith("Kafka at b:9092")
    assert words in said
    assert is_away(name) == (name == "_ALL_BROKERS_DOWN")


def test_producers_lose_and_repeat_nothing_and_agree_with_java_where_a_user_goes() -> None:
    kafka = load_settings(
        environ={
            "RILLREC_KAFKA__DELIVERY_TIMEOUT_S": "2.5",
            "RILLREC_KAFKA__PROPERTIES__LINGER_MS": "50",
        }
    ).kafka
    properties = producer_properties(kafka, {"client.id": "x"})
    assert properties["acks"] == "all"
    assert properties["enable.idempotence"] is True
    assert properties["max.in.flight"] == 1
    assert properties["delivery.timeout.ms"] == 2_500
    assert properties["partitioner"] == "murmur2_random"
    assert (properties["linger.ms"], properties["client.id"]) == ("50", "x")


def test_what_librdkafka_has_against_properties_is_told_without_them() -> None:
    kafka = load_settings(environ=SECRETS | {"RILLREC_KAFKA__PROPERTIES__DEBUG": "hush"}).kafka
    told = property_refused(kafka, 'Invalid value "5" for "debug": hush, 57')
    assert told.startswith('kafka.properties: Invalid value (a secret) for "debug": (a secret), 57')


def test_topics_differ() -> None:
    with pytest.raises(SettingsError, match=r"items_topic is 'x': impressions_topic is that too"):
        load_settings(environ={}, options={"kafka": {"impressions_topic": "x", "items_topic": "x"}})


def test_a_leader_that_a_broker_does_not_know_yet_is_waited_for() -> None:
    assert is_passing("UNKNOWN_LEADER_EPOCH")
    assert not is_passing("UNKNOWN_TOPIC_OR_PART")
