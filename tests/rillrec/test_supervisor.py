"""Children that crash are started again, and none outlives the supervisor."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from rillrec import supervisor
from rillrec.supervisor import Child, Supervisor
from schemas.errors import ProcessFailed

SLEEPER = """
import sys, time
from rillrec.parent import end_with_parent
end_with_parent(int(sys.argv[-1]))
print("here I am", flush=True)
time.sleep(60)
"""


def child(code: str, **options: object) -> Child:
    argv = [sys.executable, "-c", textwrap.dedent(code)]
    return Child("sleeper", argv, environ=os.environ, **options)  # type: ignore[arg-type]


def wait_for(what: Callable[[], object], *, timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    with suppress(OSError):
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def restarted(watching: Supervisor, sleeper: Child, times: int) -> bool:
    watching.watch()
    return sleeper.restarts == times


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def watching(told: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr(supervisor, "FIRST_WAIT_S", 0.05)
    watching = Supervisor(told.append)
    yield watching
    watching.stop(wait_s=60.0)


def test_a_child_that_is_killed_is_started_again(watching: Supervisor, told: list[str]) -> None:
    sleeper = child(SLEEPER)
    watching.start(sleeper)
    wait_for(lambda: sleeper.last_lines)
    first = sleeper.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: watching.watch() or sleeper.restarts == 1)
    assert sleeper.pid not in (None, first)
    assert told == ["the sleeper was ended by SIGKILL; starting it again in 0.05 s\n    here I am"]


def test_waits_double_while_it_keeps_crashing(watching: Supervisor, told: list[str]) -> None:
    watching.start(child("raise SystemExit(7)"))
    wait_for(lambda: watching.watch() or len(told) == 3)
    assert [line.splitlines()[0] for line in told] == [
        f"the sleeper ended with code 7; starting it again in {wait_s} s"
        for wait_s in ("0.05", "0.1", "0.2")
    ]


def test_waits_start_over_once_it_runs_steadily(
    watching: Supervisor, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper = child(SLEEPER)
    watching.start(sleeper)
    for crash in (1, 2):
        pid = sleeper.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(partial(restarted, watching, sleeper, crash))
        monkeypatch.setattr(supervisor, "STEADY_S", 0.0)
        watching.watch()
    assert all("in 0.05 s" in line for line in told)


@pytest.mark.parametrize("code", [2, 3])
def test_a_child_that_refuses_its_settings_is_not_started_again(
    watching: Supervisor, code: int
) -> None:
    refusing = child(f"print('error: port is 0'); raise SystemExit({code})")
    watching.start(refusing)
    with pytest.raises(ProcessFailed) as caught:
        wait_for(watching.watch)
    assert str(caught.value) == (
        "the sleeper can't start as it is configured:\n    error: port is 0"
    )


def test_every_line_of_a_child_is_handed_on() -> None:
    lines: list[str] = []
    speaker = child("print('one'); print('two \\xff')", tell_line=lines.append)
    speaker.start()
    wait_for(lambda: speaker.exit_code is not None)
    speaker.stop(wait_s=1.0)
    assert lines == ["one", "two ÿ"]


def test_stopping_ends_children_in_order_and_kills_the_deaf() -> None:
    deaf = child(
        """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("deaf", flush=True)
        time.sleep(60)
        """
    )
    deaf.start()
    wait_for(lambda: deaf.last_lines)
    pid = deaf.pid
    assert pid is not None
    deaf.stop(wait_s=0.1)
    assert not alive(pid)
    assert deaf.exit_code == -signal.SIGKILL


def test_no_child_outlives_a_supervisor_that_is_killed() -> None:
    script = f"""
    import os, sys, time
    from rillrec.supervisor import Child, Supervisor
    keeper = Supervisor(print)
    sleeper = Child("sleeper", [sys.executable, "-c", {SLEEPER!r}], environ=os.environ)
    keeper.start(sleeper)
    while not sleeper.last_lines: time.sleep(0.01)
    print(sleeper.pid, flush=True)
    time.sleep(60)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    wait_for(lambda: not alive(pid))


def test_a_child_whose_parent_died_before_it_could_say_so_ends_at_once() -> None:
    orphan = subprocess.run(
        [sys.executable, "-c", SLEEPER, "1"], capture_output=True, timeout=240, check=False
    )
    assert (orphan.returncode, orphan.stdout) == (1, b"")
