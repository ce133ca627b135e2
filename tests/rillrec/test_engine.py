"""Flows end in order, and tell of their own errors, on any number of workers and processes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rillrec.exits import INTERRUPTED, OK, REBUILD

pytestmark = pytest.mark.slow

FLOW = Path(__file__).parent / "endless.py"
TIMEOUT_S = 240.0


class Process:
    """One process of an endless flow, which says ``reading`` and ``published N``."""

    def __init__(self, folder: Path, number: int, *arguments: str) -> None:
        self.output = folder / f"out-{number}"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(FLOW), *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(FLOW.parents[2])},
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def wait_for(self, what: str) -> None:
        deadline_s = time.monotonic() + TIMEOUT_S
        while what not in self.text:
            assert time.monotonic() < deadline_s, self.text
            time.sleep(0.01)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        return self.process.wait(TIMEOUT_S)


class Processes:
    """Starts processes, and leaves none behind."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._all = folder, list[Process]()

    def start(self, *arguments: str) -> Process:
        self._all.append(Process(self._folder, len(self._all), *arguments))
        return self._all[-1]

    def pair(self, *arguments: str, workers: int = 2) -> tuple[Process, Process]:
        addresses = ";".join(f"127.0.0.1:{port}" for port in free_ports(2))
        one, two = (
            self.start(str(workers), str(number), addresses, *arguments) for number in (0, 1)
        )
        return one, two

    def end(self) -> None:
        for one in self._all:
            one.process.kill()
            one.process.wait()


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    made.end()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, OK), (signal.SIGINT, INTERRUPTED)], ids=["term", "int"]
)
def test_a_signal_ends_all_workers_in_order(
    processes: Processes, workers: str, number: int, code: int
) -> None:
    flow = processes.start(workers, "0", "")
    flow.wait_for("counting")
    flow.send(number)
    assert flow.ended() == code
    flow.wait_for("published the rest")
    assert "Traceback" not in flow.text


def test_signals_to_all_processes_end_all_in_order(processes: Processes) -> None:
    one, two = processes.pair()
    while "counting" not in one.text + two.text:
        time.sleep(0.01)
    one.send(signal.SIGTERM)
    two.send(signal.SIGTERM)
    assert (one.ended(), two.ended()) == (OK, OK)
    assert (one.text + two.text).count("published the rest") == 1


def test_a_process_that_is_ended_alone_leaves_and_takes_the_others_with_it(
    processes: Processes,
) -> None:
    one, two = processes.pair("--peers-wait-s", "0.5")
    for process in (one, two):
        process.wait_for("reading")
    two.send(signal.SIGTERM)
    assert (one.ended(), two.ended()) == (REBUILD, OK)
    assert re.search(r"other processes .* go on: leaving without them after \d+ s", two.text)
    assert "error: another process of this flow has ended, or can't be reached" in one.text
    assert "Traceback" not in one.text + two.text
    assert "panicked" not in one.text + two.text


def test_a_process_that_is_killed_takes_the_others_with_it(processes: Processes) -> None:
    one, two = processes.pair()
    for process in (one, two):
        process.wait_for("reading")
    one.send(signal.SIGKILL)
    assert two.ended() == REBUILD
    assert "error: another process of this flow has ended" in two.text


def test_a_process_that_waits_for_the_others_hears_signals(processes: Processes) -> None:
    addresses = ";".join(f"127.0.0.1:{port}" for port in free_ports(2))
    lonely = processes.start("1", "1", addresses, "--peers-wait-s", "0.2")
    lonely.wait_for("error connecting to worker 0")
    lonely.send(signal.SIGTERM)
    assert lonely.ended() == OK


def test_an_address_that_is_none_of_this_machine_is_told(processes: Processes) -> None:
    lost = processes.start("1", "0", f"nowhere.invalid:2101;127.0.0.1:{free_ports(1)[0]}")
    assert lost.ended() == REBUILD
    assert "error: this process can't listen at nowhere.invalid:2101 for the others" in lost.text
    assert "correct the addresses" in lost.text
    assert "Traceback" not in lost.text


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_error_of_a_step_ends_all_workers_and_is_told_itself(
    processes: Processes, workers: str
) -> None:
    flow = processes.start(workers, "0", "", "--refuse")
    assert flow.ended() == REBUILD
    assert "error: the store lost writes\n" in flow.text
    assert "Traceback" not in flow.text


def test_an_error_of_one_process_is_told_by_that_one(processes: Processes) -> None:
    one, two = processes.pair("--refuse")
    assert (one.ended(), two.ended()) == (REBUILD, REBUILD)
    told = sorted(line for text in (one.text, two.text) for line in text.splitlines())
    errors = [line for line in told if line.startswith("error: ")]
    assert len(errors) == 2
    assert any(line == "error: the store lost writes" for line in errors)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_source_that_fails_ends_in_order_before_it_is_told(
    processes: Processes, workers: str
) -> None:
    flow = processes.start(workers, "0", "", "--outdated")
    assert flow.ended() == REBUILD
    flow.wait_for("published the rest")
    assert "error: partitions have come\n" in flow.text


@pytest.mark.parametrize("heard", [("--unheard",), ()])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_error_that_is_nobodys_is_raised_with_its_cause(
    processes: Processes, workers: str, heard: tuple[str, ...]
) -> None:
    flow = processes.start(workers, "0", "", "--break", *heard)
    assert flow.ended() == 1
    assert "ZeroDivisionError" in flow.text
