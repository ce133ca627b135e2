"""``rillrec broker``: it says how to go on, and ends in order."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka import Kafka
from tests.rillrec.conftest import Run

pytestmark = [pytest.mark.kafka]


@pytest.fixture
def command(tmp_path: Path, kafka: Kafka) -> Iterator[subprocess.Popen[str]]:
    """The command, on a free port."""
    argv = [sys.executable, "-m", "rillrec", "broker", "--port", "0", "--data-dir", tmp_path]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
@pytest.mark.slow
def test_it_says_how_to_go_on_and_ends_in_order(
    command: subprocess.Popen[str], number: signal.Signals, code: int
) -> None:
    assert command.stdout is not None
    said = "".join(command.stdout.readline() for _ in range(6))
    address = re.search(r"127\.0\.0\.1:\d+", said)
    assert address
    assert f"rillrec topics create --brokers {address[0]}" in said
    assert f"rillrec flow --kafka {address[0]}" in said
    assert Kafka(address[0]).topic()
    command.send_signal(number)
    _, err = command.communicate(timeout=240)
    assert "ending Kafka in order" in err
    assert command.returncode == code


@pytest.mark.slow
def test_a_broker_that_dies_is_told_with_its_log(command: subprocess.Popen[str]) -> None:
    assert command.stdout is not None
    command.stdout.readline()
    [broker] = children_of(command.pid)
    subprocess.run(["kill", "-9", str(broker)], check=True)
    _, err = command.communicate(timeout=240)
    assert command.returncode == 4
    assert "error: the broker ended with code -9" in err
    assert "broker.log" in err


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_port_that_was_asked_for_and_is_taken_is_told(
    run: Run, kafka: Kafka, tmp_path: Path
) -> None:
    port = kafka.brokers.rpartition(":")[2]
    ran = run("broker", "--port", port, "--data-dir", tmp_path / "data")
    assert ran.code == 3
    assert f"port is {port}, and something listens there already" in ran.err


def test_a_machine_without_java_and_docker_is_told(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = run("broker", "--port", 0, "--data-dir", tmp_path / "data")
    assert ran.code == 4
    assert "Java 17 or newer and Maven, and there is no Java: install them" in ran.err
