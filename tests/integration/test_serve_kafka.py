"""``rillrec serve`` with Kafka: it starts without the broker, and tells what is set wrongly."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from rillrec.client import Client
from schemas.errors import CallFailed
from schemas.events import Interaction
from schemas.positions import Position
from serving.store.alias import Alias
from serving.store.embedded import EmbeddedRedis
from serving.store.wire import Wire
from tests.integration.conftest import Start
from tests.kafka import Kafka

pytestmark = pytest.mark.redis

CLICK = Interaction(
    event_id="e", user_id="ann", item_id="tea", kind="click", time_ms=time.time_ns() // 1_000_000
)


def test_scorer_starts_and_ends_without_its_broker(start: Start) -> None:
    serve = start("serve", "--port", "0", "--kafka", "127.0.0.1:1")
    address = serve.wait_for(r"listens on (\S+) \(gRPC\)")[1]
    serve.wait_for(r"events go to Kafka at 127\.0\.0\.1:1\n")
    for timeout_s in (1.0, 5.0, 20.0):  # a busy machine's answer may come too late to be heard
        with Client(address, timeout_s=timeout_s) as client, pytest.raises(CallFailed) as failed:
            client.track([CLICK])
        if failed.value.code != "DEADLINE_EXCEEDED":
            break
    assert failed.value.code == "UNAVAILABLE"
    assert "Kafka at 127.0.0.1:1 does not answer" in str(failed.value)
    serve.wait_for("events can't be stored: Kafka at 127.0.0.1:1 does not answer: .*refused")
    serve.process.send_signal(signal.SIGINT)
    assert serve.ended() == 130
    assert "Traceback" not in serve.text
    assert "%3|" not in serve.text  # librdkafka's own lines, one for each attempt


def test_property_that_librdkafka_refuses_ends_the_scorer_without_its_value(
    start: Start, tmp_path: Path
) -> None:
    config = tmp_path / "kafka.toml"
    config.write_text(
        '[kafka]\nbrokers = "127.0.0.1:1"\n[kafka.properties]\n"sasl.mechansim" = "hunter2"\n'
    )
    serve = start("serve", "--port", "0", "--config", str(config))
    assert serve.ended() == 3
    assert 'error: kafka.properties: No such configuration property: "sasl.mechansim"' in serve.text
    assert "hunter2" not in serve.text


def test_note_tells_of_the_model_that_the_name_stands_for(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with EmbeddedRedis(data / "redis") as redis:
        wire = Wire(redis.url, timeout_s=5.0)
        Alias(wire, "shop").move("shop-2")
        wire.close()
        serve = start("serve", "--port", "0", "--model", "shop", "--data-dir", str(data))
        serve.wait_for("note: no model called 'shop-2' is published yet")


def test_tracked_events_are_in_kafka(start: Start, kafka: Kafka, tmp_path: Path) -> None:
    topics = kafka.topics()
    config = tmp_path / "kafka.toml"
    config.write_text(
        "[kafka]\n" + "".join(f'{name} = "{topic}"\n' for name, topic in topics.items())
    )
    serve = start("serve", "--port", "0", "--kafka", kafka.brokers, "--config", str(config))
    with Client(serve.wait_for(r"listens on (\S+) \(gRPC\)")[1]) as client:
        [receipt] = client.track([CLICK])
    assert Position.of_token(receipt.position) == Position(topics["interactions_topic"], 0, 0)
    [message] = kafka.consume(topics["interactions_topic"])
    assert message.key() == b"ann"
