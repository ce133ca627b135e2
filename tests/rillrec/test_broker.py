"""A broker of one's own, started from Kafka's jars."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from rillrec.broker import Broker, free_port
from rillrec.kafka_jars import cache, jars, pom
from schemas.errors import ProcessFailed
from tests.kafka import Kafka

pytestmark = [pytest.mark.kafka]


def test_messages_survive_a_broker_that_is_killed(own_broker: Broker) -> None:
    topic = Kafka(own_broker.address).topic(partitions=2)
    Kafka(own_broker.address).produce(topic, [("a", b"1"), ("b", b"2")])
    address, pid = own_broker.address, own_broker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    own_broker.kill()
    assert not own_broker.running
    own_broker.start()
    assert own_broker.address == address
    found = Kafka(own_broker.address).consume(topic)
    assert sorted(message.value() for message in found) == [b"1", b"2"]


def test_a_taken_port_is_told(kafka: Kafka, tmp_path: Path) -> None:
    port = int(kafka.brokers.rpartition(":")[2])
    with pytest.raises(ProcessFailed, match=rf"listens on 127\.0\.0\.1:{port} already: stop it"):
        Broker(tmp_path, port=port).start()


def test_settings_that_make_no_sense_are_told(tmp_path: Path, kafka: Kafka) -> None:
    with pytest.raises(ProcessFailed, match=r"can't hold a broker's log: .*NONSENSE"):
        Broker(tmp_path, settings={"inter.broker.listener.name": "nonsense"}).start()


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path, kafka: Kafka) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(ProcessFailed, match="can't hold a broker's log"):
        Broker(tmp_path).start()


def test_a_machine_without_java_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProcessFailed, match=r"Java 17 or newer.*default-jre-headless"):
        Broker(tmp_path).start()


def test_a_machine_without_maven_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ProcessFailed, match=r"Maven, which is not installed.*kafka\.brokers"):
        jars()


def test_what_maven_says_is_told_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho no such registry\nexit 7\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ProcessFailed, match=r"could not fetch Kafka \(code 7\): no such registry"):
        jars()
    assert not cache().exists()


def test_the_jars_are_those_of_the_list(kafka: Kafka) -> None:
    assert "kafka_2.13" in pom().read_text()
    assert free_port() != free_port()
