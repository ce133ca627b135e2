"""A flow that is killed again and again, as a process, over a real Redis."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.keys import Keys, shards
from schemas.positions import mark_of
from schemas.user_state import UserState
from serving.replica import Replica
from serving.store import DeadLetter, RedisStore
from serving.store.wire import Wire
from tests.flows.streams import troubled

NAME = "crash"
KILLS = 5
EVENTS = 6_000
USERS = [f"u{n}" for n in range(60)]
PATIENCE_S = 300.0
SMALL_MODEL = {
    "RILLREC_MODEL__HYPER__DIMENSIONS": "8",
    "RILLREC_MODEL__HYPER__LEARNING_WINDOW": "5",
    "RILLREC_MODEL__HYPER__SCORING_WINDOW": "5",
    "RILLREC_MODEL__HYPER__ENCODER_WINDOW": "5",
    "RILLREC_MODEL__HYPER__HIDDEN": "4",
}


def database(url: str, number: int) -> str:
    return f"{url}?db={number}"


class Flow:
    """The engine's own command, in a process of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self._errors = (folder / "errors.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bytewax.run", "flows.recommend"],
            stdout=self._errors,
            stderr=self._errors,
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "RILLREC_STORE__REDIS_URL": url,
                "RILLREC_MODEL__NAME": NAME,
                "RILLREC_FLOW__BATCH_SIZE": "50",
                "RILLREC_FLOW__PUBLISH_INTERVAL_MS": "40",
                # The stream's wishes to be forgotten are of 2025, and old ones are forgotten too.
                "RILLREC_STORE__FORGET_MEMORY_S": str(20 * 365 * 86_400),
                **SMALL_MODEL,
            },
        )

    def wait_past(self, position: Callable[[], int], wanted: int) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while position() <= wanted:
            assert self._process.poll() is None, "the flow ended by itself"
            assert time.monotonic() < deadline_s, "the flow stands still"
            time.sleep(0.01)

    def __enter__(self) -> Flow:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._errors.close()


def outcome(store: RedisStore) -> tuple[dict[str, UserState], list[DeadLetter], Any]:
    replica = Replica(store)
    while replica.refresh():
        pass
    progress = replica.state.progress
    counts = (progress.trained, progress.absorbed, progress.marks)
    return store.read_users(USERS), store.dead_letters(limit=10_000), counts


def published(store: RedisStore) -> int:
    return mark_of(store.low_marks(), "events", 0)


def stored(store: RedisStore) -> int:
    return sum(mark_of(marks, "events", 0) for marks in store.read_marks(shards()))


@pytest.fixture
def stores(redis_url: str) -> tuple[RedisStore, RedisStore]:
    return (
        RedisStore(database(redis_url, 1), name=NAME),
        RedisStore(database(redis_url, 2), name=NAME),
    )


def copy_new(source: Wire, target: Wire) -> None:
    """Copy the events that the target lacks, offsets and all: flows trim their logs."""
    key = Keys(NAME).events
    have = target.call("XREVRANGE", key, "+", "-", "COUNT", 1)
    start = b"(" + have[0][0] if have else b"-"
    entries = source.call("XRANGE", key, start, "+")
    target.pipeline([("XADD", key, entry, *fields) for entry, fields in entries])


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.timeout(1_200)
def test_a_flow_that_is_killed_again_and_again_counts_everything_once(
    redis_url: str, stores: tuple[RedisStore, RedisStore], tmp_path: Path
) -> None:
    killed, calm = stores
    midway = 0
    dice = random.Random(20)
    events = troubled(EVENTS, users=len(USERS), seed=20)
    half = len(events) // 2  # comes first, and its kill at once: it can't be too late
    ends = [half + half * part // KILLS for part in range(KILLS + 1)]
    ends[-1] = len(events)
    last = killed.append_events(events[: ends[0]])[-1].offset
    source = Wire(database(redis_url, 1), timeout_s=5)
    target = Wire(database(redis_url, 2), timeout_s=5)
    for part in range(KILLS + 1):
        if part:
            last = killed.append_events(events[ends[part - 1] : ends[part]])[-1].offset
        copy_new(source, target)
        before = stored(killed)
        with Flow(database(redis_url, 1), tmp_path) as flow:
            flow.wait_past(lambda: stored(killed), before)
            if part < KILLS:
                time.sleep(dice.random() * 0.5 if part else 0.0)
                midway += published(killed) <= last
            else:
                flow.wait_past(lambda: published(killed), last)
    assert midway, "every kill came too late to hit anything"
    with Flow(database(redis_url, 2), tmp_path) as flow:
        flow.wait_past(lambda: published(calm), last)
    states, letters, counts = outcome(killed)
    wanted_states, wanted_letters, wanted_counts = outcome(calm)
    assert counts == wanted_counts
    assert letters == wanted_letters
    assert states == wanted_states
    assert len(states) > 50
    assert len(letters) > 100
