"""One flow a model."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys

import pytest

from flows.lease import TTL_MS, Lease, has_ended, this_process
from schemas.errors import StoreError, StoreUnavailable
from serving.store import MemoryStore


class Clock:
    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def __call__(self) -> int:
        return self.now_ms

    def sleep(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1_000)


def lease(store: MemoryStore, clock: Clock, owner: str = "flow 1 on here") -> Lease:
    return Lease(store, owner=owner, now_ms=clock, sleep=clock.sleep)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(now_ms=clock)


def test_a_lease_is_renewed_before_it_runs_out(store: MemoryStore, clock: Clock) -> None:
    mine = lease(store, clock)
    for _ in range(20):
        mine.hold()
        assert store.lease_owner() == "flow 1 on here"
        clock.now_ms += TTL_MS // 2
    mine.release()
    assert store.lease_owner() is None
    mine.release()


def test_a_second_flow_waits_and_gives_up(
    store: MemoryStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    mine, other = lease(store, clock), lease(store, clock, "flow 2 on there")
    mine.hold()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        mine.hold()

    other._sleep = sleep
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(StoreError, match="flow 1 on here learns this model already: stop it, or"),
    ):
        other.hold()
    assert [record.getMessage() for record in caplog.records] == [
        "waiting for flow 1 on here to let go of the model"
    ]


def test_a_second_flow_follows_one_that_fell_silent(store: MemoryStore, clock: Clock) -> None:
    lease(store, clock).hold()
    began_ms = clock.now_ms
    lease(store, clock, "flow 2 on there").hold()
    assert store.lease_owner() == "flow 2 on there"
    assert TTL_MS <= clock.now_ms - began_ms <= TTL_MS + 1_000


def test_the_lease_of_a_process_that_was_killed_is_inherited_at_once(
    store: MemoryStore, clock: Clock
) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    killed = f"flow {child.pid} on {socket.gethostname()}"
    lease(store, clock, killed).hold()
    lease(store, clock, this_process()).hold()
    assert store.lease_owner() == this_process()
    assert clock.now_ms == 1_000_000


def test_only_processes_of_this_machine_are_known_to_have_ended() -> None:
    host = socket.gethostname()
    assert not has_ended(this_process())
    assert not has_ended(f"flow 999999 on not-{host}")
    assert not has_ended("somebody")
    assert not has_ended(f"flow {10**30} on {host}")
    assert not has_ended(f"flow 1 on {host}") or os.getpid() == 1


def test_a_lease_that_ran_out_is_taken_again_unless_somebody_else_has_it(
    store: MemoryStore, clock: Clock
) -> None:
    mine = lease(store, clock)
    mine.hold()
    clock.now_ms += 2 * TTL_MS
    mine.hold()
    assert store.lease_owner() == "flow 1 on here"
    clock.now_ms += 2 * TTL_MS
    lease(store, clock, "flow 2 on there").hold()
    with pytest.raises(StoreError, match="flow 2 on there learns this model already"):
        mine.hold()


def test_a_store_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr("flows.patience.FIRST_WAIT_S", 0.0)

    class Away(MemoryStore):
        failures = 2

        def acquire(self, owner: str, ttl_ms: int) -> str | None:
            self.failures -= 1
            if self.failures >= 0:
                raise StoreUnavailable("away")
            return super().acquire(owner, ttl_ms)

    store = Away(now_ms=clock)
    lease(store, clock).hold()
    assert store.lease_owner() == "flow 1 on here"
