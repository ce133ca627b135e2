"""Dead letters and incidents in topics of a real Kafka."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message

from flows.incidents import Incident, Incidents
from flows.kafka_incidents import KafkaIncidents
from flows.kafka_letters import KafkaLetters
from flows.sources.kafka import KafkaSource
from flows.tally import Tally
from rillrec.ports import quiet_ports
from schemas.errors import BrokerError, BrokerUnavailable
from schemas.settings_kafka import KafkaSettings
from serving.store import DeadLetter, MemoryStore
from tests.flows.kafka_streams import clicks, settings_of
from tests.flows.streams import run
from tests.kafka import Kafka


def letter(offset: int, payload: bytes = b"{", **changes: Any) -> DeadLetter:
    fields = {"topic": "interactions", "partition": 3, "event_type": "interaction"}
    told = {"reason": "malformed", "message": "not valid JSON", **fields, **changes}
    return DeadLetter(offset=offset, payload=payload, **told)


def headers_of(message: Message) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in message.headers() or []}  # type: ignore[union-attr]


def test_a_letter_holds_the_original_bytes_and_why_and_whence(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    payload = b"\xff\x00 no JSON"
    with KafkaLetters(settings) as letters:
        letters.write([])
        letters.write([letter(7, payload, message="kaputt \N{SKULL}")])
    [message] = kafka.consume(settings.dead_letters_topic)
    assert message.value() == payload
    assert headers_of(message) == {
        "reason": "malformed",
        "message": "kaputt \N{SKULL}",
        "topic": "interactions",
        "partition": "3",
        "offset": "7",
        "event_type": "interaction",
    }


def test_letters_are_there_once_writing_has_returned(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    with KafkaLetters(settings) as letters:
        letters.write([letter(n) for n in range(2_000)])
        found = kafka.consume(settings.dead_letters_topic)
    assert [headers_of(message)["offset"] for message in found] == [str(n) for n in range(2_000)]


def test_a_queue_that_is_full_is_waited_for(kafka: Kafka) -> None:
    settings = settings_of(kafka, properties={"queue.buffering.max.messages": 7})
    with KafkaLetters(settings) as letters:
        letters.write([letter(n) for n in range(500)])
    assert len(kafka.consume(settings.dead_letters_topic)) == 500


def test_threads_may_write_at_the_same_time(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    with KafkaLetters(settings) as letters:
        batches = [[letter(100 * t + n) for n in range(100)] for t in range(4)]
        threads = [threading.Thread(target=letters.write, args=(batch,)) for batch in batches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = kafka.consume(settings.dead_letters_topic)
    assert sorted(int(headers_of(message)["offset"]) for message in found) == list(range(400))


def test_of_a_letter_that_is_too_large_the_first_part_is_kept(
    kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    topic = kafka.topic("small", config={"max.message.bytes": "20000"})
    settings = settings_of(kafka, dead_letters_topic=topic)
    big = bytes(range(256)) * 400
    with KafkaLetters(settings) as letters, caplog.at_level(logging.WARNING):
        # Together they are too large, too: those that fit alone are kept whole.
        letters.write([letter(0), letter(1, big), letter(2, big[:15_000]), letter(3, big[:15_000])])
        letters.write([letter(4)])
    found = {headers_of(message)["offset"]: message for message in kafka.consume(topic)}
    assert {offset: len(message.value() or b"") for offset, message in found.items()} == {
        "0": 1,
        "1": 12_800,
        "2": 15_000,
        "3": 15_000,
        "4": 1,
    }
    assert found["1"].value() == big[:12_800]
    assert [headers_of(found[n]).get("cut_from_bytes") for n in "012"] == [None, "102400", None]
    assert "of interactions/3@1 the first 12800 are kept; raise the topic's" in caplog.text


def test_what_librdkafka_itself_takes_for_too_large_is_cut_too(kafka: Kafka) -> None:
    settings = settings_of(kafka, properties={"message.max.bytes": 2_000})
    with KafkaLetters(settings) as letters:
        letters.write([letter(0), letter(1, b"x" * 5_000)])
    found = kafka.consume(settings.dead_letters_topic)
    assert [len(message.value() or b"") for message in found] == [1, 1_250]


def test_a_topic_that_takes_nothing_at_all_is_told(kafka: Kafka) -> None:
    topic = kafka.topic("tiny", config={"max.message.bytes": "50"})
    with (
        KafkaLetters(settings_of(kafka, dead_letters_topic=topic)) as letters,
        pytest.raises(BrokerError, match=r"too large.* raise the topic's max\.message\.bytes"),
    ):
        letters.write([letter(0)])


def test_a_topic_of_letters_that_does_not_exist_is_told_at_the_start(kafka: Kafka) -> None:
    with pytest.raises(BrokerError, match="has no topic 'nowhere': create it"):
        KafkaLetters(settings_of(kafka, dead_letters_topic="nowhere"))


def test_brokers_that_are_down_at_the_start_are_told() -> None:
    [port] = quiet_ports(1)
    with pytest.raises(BrokerUnavailable, match="does not answer"):
        KafkaLetters(KafkaSettings(brokers=f"127.0.0.1:{port}", metadata_timeout_s=0.3))


def test_a_topic_that_is_deleted_is_told(kafka: Kafka) -> None:
    settings = settings_of(kafka, properties={"topic.metadata.propagation.max.ms": "500"})
    topic = settings.dead_letters_topic
    with KafkaLetters(settings) as letters:
        letters.write([letter(0)])
        kafka.admin.delete_topics([topic])[topic].result(120)

        def write_until_refused() -> None:  # the brokers take their time
            while True:
                letters.write([letter(1)])
                time.sleep(0.1)

        with pytest.raises(BrokerError, match=f"has no topic '{topic}': create it"):
            write_until_refused()


def test_a_flow_writes_refused_events_to_the_topic(kafka: Kafka) -> None:
    settings = settings_of(kafka)
    bad = [("ann", b"{"), ("bob", b'{"user_id": "bob"}'), ("cat", None)]
    kafka.produce(settings.interactions_topic, [*clicks(20), *bad])
    store = MemoryStore()
    source = KafkaSource(settings, group="g", follow=False)
    with KafkaLetters(settings) as letters:
        _, tally = run(source, store, dead_letters=letters)
    source.close()
    found = kafka.consume(settings.dead_letters_topic)
    assert tally.events == 20
    assert [message.value() or b"" for message in found] == [value or b"" for _, value in bad]
    assert [int(headers_of(message)["offset"]) for message in found] == [20, 21, 22]
    assert sorted(one.offset for one in store.dead_letters()) == [20, 21, 22]


# ---- incidents -------------------------------------------------------------------------------


def test_incidents_reach_their_topic_as_json(kafka: Kafka) -> None:
    settings, tally = settings_of(kafka), Tally()
    with KafkaIncidents(settings, tally=tally) as listener:
        incidents = Incidents(tally, listener=listener, now_ms=lambda: 5)
        incidents.note("offsets_deleted", "3 are gone", topic="t", offsets=3)
    [message] = kafka.consume(settings.incidents_topic)
    assert json.loads(message.value() or b"") == {
        "kind": "offsets_deleted",
        "message": "3 are gone",
        "time_ms": 5,
        "fields": {"topic": "t", "offsets": 3},
    }
    assert tally.incidents_dropped == 0


def test_incidents_never_stop_anybody_and_those_dropped_are_counted() -> None:
    [port] = quiet_ports(1)
    tally, began_s = Tally(), time.monotonic()
    settings = KafkaSettings(
        brokers=f"127.0.0.1:{port}", properties={"queue.buffering.max.messages": 3}
    )
    listener = KafkaIncidents(settings, tally=tally)
    for n in range(10):
        listener(Incident("broker_away", "gone", n))
    listener.close(timeout_s=0.2)
    assert time.monotonic() - began_s < 60
    assert tally.incidents_dropped == 10


def test_an_incident_that_is_too_large_is_dropped(kafka: Kafka) -> None:
    settings, tally = settings_of(kafka, properties={"message.max.bytes": 1_000}), Tally()
    with KafkaIncidents(settings, tally=tally) as listener:
        listener(Incident("flow_failed", "x" * 5_000, 1))
        listener(Incident("flow_failed", "short", 2))
    assert len(kafka.consume(settings.incidents_topic)) == tally.incidents_dropped == 1


def test_a_missing_topic_of_incidents_is_told_once(
    kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    tally = Tally()
    settings = settings_of(kafka, incidents_topic="nowhere")
    listener = KafkaIncidents(settings, tally=tally)
    for _ in range(3):
        listener._delivered(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), None)
    listener.close()
    assert tally.incidents_dropped == 3
    [said] = caplog.messages
    assert said.startswith("incidents are dropped, but for this log: Kafka at")
    assert "has no topic 'nowhere'" in said
