"""All of Rillrec over Kafka in one command, the broker included."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from rillrec.client import Client
from schemas.errors import CallFailed
from schemas.events import Interaction
from schemas.positions import Position
from tests.integration.conftest import Start
from tests.integration.processes import alive, command_of, descendants, wait_until
from tests.kafka import Kafka

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.kafka]


def click(client: Client, n: int) -> str:
    """Track a click, and return the topic that it went to."""
    event = Interaction(
        event_id=f"e{n}",
        user_id="ann",
        item_id=f"i{n % 3}",
        kind="click",
        time_ms=time.time_ns() // 1_000_000,
    )
    [receipt] = client.track([event])
    slate = client.recommend("ann", 3, after=receipt.position)
    assert slate.known_user
    return Position.of_token(receipt.position).topic


@pytest.mark.timeout(900)
def test_everything_runs_over_a_broker_of_its_own_and_leaves_nothing(start: Start) -> None:
    one = start("up", "--broker", "--port", "0")
    address = one.wait_for(r"ready: the scorer listens on (\S+)")[1]
    brokers = one.wait_for(r"events  Kafka at (\S+)")[1]
    with Client(address, timeout_s=200.0) as client:
        assert click(client, 0) == "interactions"
        pids = descendants(one.process.pid)
        java = next(pid for pid in pids if "kafka.Kafka" in command_of(pid))
        assert Kafka(brokers).ends("interactions")
        os.kill(java, signal.SIGKILL)
        one.wait_for(r"the broker ended with code -9: .*; starting it again")
        wait_until(lambda: _clicks(client))
    one.process.send_signal(signal.SIGINT)
    assert one.ended() == 130
    assert not any(alive(pid) for pid in pids)
    assert "Traceback" not in one.text


def _clicks(client: Client) -> bool:
    try:
        return bool(click(client, 1))
    except CallFailed:
        return False


@pytest.mark.timeout(600)
def test_a_broker_that_is_there_is_used(start: Start, kafka: Kafka, tmp_path: Path) -> None:
    topics = kafka.topics(partitions=2)
    config = tmp_path / "rillrec.toml"
    lines = [f'{key} = "{topic}"' for key, topic in topics.items()]
    config.write_text("\n".join(["[kafka]", *lines]))
    one = start("up", "--kafka", kafka.brokers, "--config", str(config), "--port", "0")
    address = one.wait_for(r"ready: the scorer listens on (\S+)")[1]
    with Client(address, timeout_s=200.0) as client:
        assert click(client, 0) == topics["interactions_topic"]
    one.process.send_signal(signal.SIGINT)
    assert one.ended() == 130


def test_a_broker_of_ones_own_and_another_do_not_go_together(start: Start) -> None:
    refused = start("up", "--broker", "--kafka", "127.0.0.1:9092")
    assert refused.ended() == 2
    assert "say either --broker, or where one is by --kafka" in refused.text
