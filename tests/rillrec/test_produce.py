"""``rillrec produce``: what is sent, under which key, and what is told of what is not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Message
from confluent_kafka.admin import NewTopic

from rillrec.broker import Broker
from rillrec.sender import Sender
from schemas.errors import BrokerError, BrokerUnavailable
from schemas.settings_kafka import KafkaSettings
from tests.kafka import Kafka, lacking
from tests.rillrec.conftest import Run
from tests.rillrec.streams import write_csv

NOW_MS = 1_700_000_000_000


def value_of(message: Message) -> dict[str, object]:
    payload = message.value()
    assert payload is not None
    return json.loads(payload)


@pytest.fixture
def made(run: Run, kafka_settings: KafkaSettings) -> KafkaSettings:
    """Settings whose topics are there."""
    assert run("topics", "create", "--partitions", 4).code == 0
    return kafka_settings


def test_each_row_is_sent_once_keyed_by_its_user(
    run: Run, made: KafkaSettings, kafka: Kafka, tmp_path: Path
) -> None:
    ran = run("produce", write_csv(tmp_path / "a.csv", 500))
    assert ran.code == 0
    assert ran.out.startswith("500 rows, 500 events sent; ")
    assert "user_id=" in ran.err
    found = kafka.consume(made.interactions_topic)
    events = [value_of(message) for message in found]
    assert len({event["event_id"] for event in events}) == 500
    assert all(
        message.key() == str(e["user_id"]).encode()
        for message, e in zip(found, events, strict=True)
    )
    places: dict[object, set[object]] = {}
    for message, event in zip(found, events, strict=True):
        places.setdefault(event["user_id"], set()).add(message.partition())
    assert all(len(partitions) == 1 for partitions in places.values())


def test_events_go_to_the_topic_of_their_type(
    run: Run, made: KafkaSettings, kafka: Kafka, tmp_path: Path
) -> None:
    file = tmp_path / "a.jsonl"
    shown = {"item_id": "i", "position": 0, "score": 0.5}
    lines = [
        {"user_id": "u", "item_id": "i", "kind": "click", "time_ms": NOW_MS},
        {"type": "item", "item_id": "i", "title": "Chess"},
        {"type": "forget", "user_id": "v", "time_ms": NOW_MS},
        {
            "type": "impression",
            "request_id": "r",
            "user_id": "u",
            "time_ms": NOW_MS,
            "items": [shown],
        },
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ran = run("produce", file, "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["acknowledged"] == 4
    topics = (made.interactions_topic, made.items_topic, made.forget_topic, made.impressions_topic)
    sent = [(m.key(), value_of(m)) for topic in topics for m in kafka.consume(topic)]
    assert [key for key, _ in sent] == [b"u", b"i", b"v", b"u"]
    assert sent[1][1] == {"item_id": "i", "title": "Chess"}
    assert sent[3][1]["items"] == [shown]


def test_refused_rows_are_told_kept_and_not_sent(
    run: Run, made: KafkaSettings, kafka: Kafka, tmp_path: Path
) -> None:
    file, refused = tmp_path / "a.csv", tmp_path / "refused.jsonl"
    file.write_text(
        f"ts,user,item,rating\n{NOW_MS},u,i,5\n{NOW_MS},,i,5\n12,u,i,5\n{NOW_MS},u,i,1\n"
    )
    ran = run("produce", file, "--min-value", 2, "--dead-letters", refused)
    assert ran.code == 0
    assert "4 rows, 1 events sent, 1 filtered, 2 refused" in ran.out
    assert "note: 1 refused (field): row 2: column 'user' (user_id) is empty" in ran.err
    assert "note: 1 refused (time): row 3:" in ran.err
    letters = [json.loads(line) for line in refused.read_text().splitlines()]
    assert [(letter["offset"], letter["reason"]) for letter in letters] == [
        (1, "field"),
        (2, "time"),
    ]
    assert len(kafka.consume(made.interactions_topic)) == 1
    same = run("produce", refused, "--dead-letters", refused)
    assert same.code == 2
    assert "is the file that is read: name another" in same.err


def test_a_file_that_breaks_off_is_sent_up_to_there(
    run: Run, made: KafkaSettings, kafka: Kafka, tmp_path: Path
) -> None:
    import gzip

    whole = gzip.compress(write_csv(tmp_path / "a.csv", 30_000).read_bytes())
    (tmp_path / "b.csv.gz").write_bytes(whole[: len(whole) // 2])
    ran = run("produce", tmp_path / "b.csv.gz", "--json")
    assert ran.code == 4
    told = json.loads(ran.out)
    assert told["acknowledged"] == told["sent"][made.interactions_topic] > 0
    assert "b.csv.gz" in ran.err.splitlines()[-1]


def test_so_many_rows_are_sent_a_second(run: Run, made: KafkaSettings, tmp_path: Path) -> None:
    began_s = time.monotonic()
    ran = run("produce", write_csv(tmp_path / "a.csv", 500), "--limit", 41, "--rate", 20, "--json")
    assert time.monotonic() - began_s >= 2.0
    assert json.loads(ran.out)["rows"] == 41


def test_topics_that_are_not_there_are_told(
    run: Run, kafka_settings: KafkaSettings, tmp_path: Path
) -> None:
    ran = run("produce", write_csv(tmp_path / "a.csv", 5))
    assert ran.code == 4
    topic = kafka_settings.interactions_topic
    assert f"has no topic '{topic}': create it (`rillrec topics create`)" in ran.err


def test_a_message_that_the_topic_does_not_take_is_told(
    run: Run, made: KafkaSettings, kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = kafka.topic("small", config={"max.message.bytes": "2000"})
    monkeypatch.setenv("RILLREC_KAFKA__INTERACTIONS_TOPIC", small)
    event = {"user_id": "u", "item_id": "i", "kind": "click", "time_ms": NOW_MS}
    context = {f"c{n}": "x" * 1_000 for n in range(3)}
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({**event, "context": context}) + "\n")
    ran = run("produce", file)
    assert ran.code == 4
    assert "1 events sent, only 0 acknowledged" in ran.out
    assert "refuses a message as too large" in ran.err


def test_the_longest_event_fits(made: KafkaSettings, kafka: Kafka) -> None:
    sender = Sender(made)
    sender.send(made.items_topic, "k" * 256, b"x" * 1_048_576)
    sender.flush()
    sender.close()
    assert sender.acknowledged == 1


def test_a_full_queue_slows_down_and_drops_nothing(made: KafkaSettings, kafka: Kafka) -> None:
    tight = KafkaSettings(
        brokers=made.brokers, properties={"queue.buffering.max.messages": "10", "linger.ms": "0"}
    )
    sender = Sender(tight)
    for number in range(500):
        sender.send(made.interactions_topic, f"u{number % 7}", b"%d" % number)
    sender.flush()
    assert sender.acknowledged == 500
    values = [int(message.value() or b"") for message in kafka.consume(made.interactions_topic)]
    assert sorted(values) == list(range(500))


@pytest.mark.slow
def test_what_is_acknowledged_is_there_also_in_topics_that_are_only_being_made(
    kafka: Kafka,
) -> None:
    settings = KafkaSettings(
        brokers=kafka.brokers,
        properties={"linger.ms": "0", "retry.backoff.ms": "10", "retry.backoff.max.ms": "10"},
    )
    for number in range(20):
        topic = f"new-{number}-{uuid.uuid4().hex[:8]}"
        kafka.admin.create_topics([NewTopic(topic, 8, 1)])[topic].result(30)
        sender = Sender(settings)
        for n in range(100):
            sender.send(topic, f"u{n}", b"{}")
        sender.flush()
        sender.close()
        assert sum(kafka.ends(topic).values()) == sender.acknowledged == 100


@pytest.mark.slow
def test_a_broker_that_restarts_is_waited_for(own_broker: Broker) -> None:
    topic = Kafka(own_broker.address).topic(partitions=2)
    sender = Sender(KafkaSettings(brokers=own_broker.address, delivery_timeout_s=60))
    sender.send(topic, "u", b"0")
    sender.flush()
    own_broker.kill()
    for number in range(1, 100):
        sender.send(topic, "u", b"%d" % number)
    own_broker.start()
    sender.flush()
    sender.close()
    values = [message.value() for message in Kafka(own_broker.address).consume(topic)]
    assert values == [b"%d" % number for number in range(100)]


@pytest.mark.slow
def test_a_broker_that_stays_away_is_told_and_what_it_did_not_confirm(own_broker: Broker) -> None:
    topic = Kafka(own_broker.address).topic()
    sender = Sender(KafkaSettings(brokers=own_broker.address, delivery_timeout_s=1))
    own_broker.kill()
    sender.send(topic, "u", b"lost")
    with pytest.raises(BrokerUnavailable, match=r"does not answer: .*timed out; is it running"):
        sender.flush()
    assert (sender.sent.total(), sender.acknowledged) == (1, 0)
    with pytest.raises(BrokerError):
        sender.send(topic, "u", b"another")
    sender.close()


@pytest.fixture
def sending(made: KafkaSettings, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that sends 50 events a second, for 100 seconds."""
    file = write_csv(tmp_path / "a.csv", 5_000)
    command = [sys.executable, "-m", "rillrec", "produce", file, "--rate", "50", "--json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
@pytest.mark.slow
def test_whoever_ends_it_is_told_what_was_sent(
    sending: subprocess.Popen[str], made: KafkaSettings, kafka: Kafka, number: int, code: int
) -> None:
    deadline = time.monotonic() + 300
    while sum(kafka.ends(made.interactions_topic).values()) < 10:
        assert time.monotonic() < deadline
        assert sending.poll() is None
        time.sleep(0.1)
    sending.send_signal(number)
    out, err = sending.communicate(timeout=240)
    assert sending.returncode == code, err
    assert "Traceback" not in err
    told = json.loads(out)
    assert told["acknowledged"] == sum(kafka.ends(made.interactions_topic).values()) < 5_000


def test_kcat_reads_what_was_sent(
    run: Run, made: KafkaSettings, kafka: Kafka, tmp_path: Path
) -> None:
    kcat = shutil.which("kcat") or lacking("kcat is not installed", environ=os.environ)
    run("produce", write_csv(tmp_path / "a.csv", 300))
    command = [kcat, "-b", kafka.brokers, "-t", made.interactions_topic, "-C", "-e", "-q"]
    done = subprocess.run(
        [*command, "-o", "beginning", "-f", "%k %s\n"], capture_output=True, text=True, timeout=240
    )
    lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
    assert len(lines) == 300
    assert all(json.loads(value)["user_id"] == key for key, value in lines)
