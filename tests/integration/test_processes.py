"""A flow of several processes: started together, ended together, and started again together."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from rillrec.exits import INTERRUPTED, OK
from tests.integration.conftest import Start
from tests.integration.processes import Rillrec, alive, command_of, descendants

pytestmark = [pytest.mark.slow, pytest.mark.redis]

READING = "reading the event log"


def processes(launcher: Rillrec) -> dict[int, int]:
    """Return the flow's processes by their number."""
    found = {}
    for pid in descendants(launcher.process.pid):
        words = command_of(pid).split()
        if "--process-id" in words:
            found[int(words[words.index("--process-id") + 1])] = pid
    return found


def wait_for_times(launcher: Rillrec, what: str, times: int) -> None:
    deadline_s = time.monotonic() + 360
    while launcher.text.count(what) < times:
        assert launcher.process.poll() is None, launcher.text
        assert time.monotonic() < deadline_s, launcher.text
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, OK)], ids=["int", "term"]
)
def test_a_signal_ends_all_processes_in_order(
    start: Start, tmp_path: Path, number: int, code: int
) -> None:
    launcher = start("flow", "--data-dir", str(tmp_path / "data"), "--processes", "2")
    launcher.wait_for(READING)
    pids = processes(launcher)
    assert sorted(pids) == [0, 1]
    os.kill(launcher.process.pid, number)
    assert launcher.ended() == code
    assert not any(alive(pid) for pid in pids.values())
    assert "starting all" not in launcher.text
    assert "error: " not in launcher.text


@pytest.mark.timeout(600)
def test_when_one_is_killed_all_start_again_together(start: Start, tmp_path: Path) -> None:
    launcher = start(
        "flow", "--data-dir", str(tmp_path / "data"), "--processes", "2", "--workers", "2"
    )
    launcher.wait_for(READING)
    before = processes(launcher)
    os.kill(before[1], signal.SIGKILL)
    launcher.wait_for(
        r"the flow process 1 was ended by SIGKILL; starting all 2 processes of the flow again in "
        r"0\.5 s"
    )
    wait_for_times(launcher, READING, 2)
    after = processes(launcher)
    assert sorted(after) == [0, 1]
    assert not set(after.values()) & set(before.values())
    assert "Traceback" not in launcher.text
    launcher.process.terminate()
    assert launcher.ended() == OK


def test_settings_that_a_process_refuses_end_all(start: Start, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    first = start("flow", "--data-dir", data)
    first.wait_for("kept a base snapshot")
    first.process.terminate()
    assert first.ended() == OK
    launcher = start("flow", "--data-dir", data, "--processes", "2", "--unit", "user")
    assert launcher.ended() == 4
    assert "can't start as it is configured" in launcher.text
    assert "the model has learnt with stream.unit = 'session'" in launcher.text


def test_the_place_of_processes_that_are_started_here_is_nobody_elses_business(
    start: Start,
) -> None:
    refused = start("flow", "--processes", "2", "--process-id", "1")
    assert refused.ended() == 2
    assert "--processes starts processes that know their place: say it alone" in refused.text


def test_several_processes_need_a_redis_that_all_can_reach(start: Start) -> None:
    refused = start("flow", "--process-id", "0", "--addresses", "a:2101;b:2101")
    assert refused.ended() == 3
    assert "several processes share one Redis: set store.redis_url" in refused.text
