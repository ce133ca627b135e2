"""More workers and more processes end with the same users as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.positions import mark_of
from schemas.user_state import UserState
from serving.replica import Replica
from serving.store import DeadLetter, RedisStore
from tests.integration.kills import SMALL_MODEL, Command, stream, wait_until
from tests.kafka import Kafka

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.kafka]

EVENTS = 20_000
USERS = 500
PARTITIONS = 8
Outcome = tuple[dict[str, UserState], set[DeadLetter], tuple[Any, ...]]
Run = Callable[..., Outcome]


@pytest.fixture(scope="module")
def topics(kafka: Kafka) -> dict[str, str]:
    """Topics with a stream in which each user is in one partition, as their key says."""
    made = kafka.topics(partitions=PARTITIONS)
    kafka.produce(made["interactions_topic"], stream(EVENTS, users=USERS, seed=5))
    items = [(f"i{n}", b'{"item_id": "i%d", "title": "Title"}' % n) for n in range(400)]
    kafka.produce(made["items_topic"], items)
    return made


@pytest.fixture
def learnt(kafka: Kafka, topics: dict[str, str], redis_url: str, tmp_path: Path) -> Iterator[Run]:
    """Run a flow over all of the topics, with these arguments; return what it ends with."""
    started: list[Command] = []
    named = {f"RILLREC_KAFKA__{name.upper()}": topic for name, topic in topics.items()}
    ends = {topics[f"{name}_topic"]: kafka.ends(topics[f"{name}_topic"]) for name in
            ("interactions", "items")}  # fmt: skip

    def run(name: str, *arguments: str) -> Outcome:
        (tmp_path / name).mkdir()
        environ = {
            **named,
            **SMALL_MODEL,
            "RILLREC_KAFKA__BROKERS": kafka.brokers,
            "RILLREC_STORE__REDIS_URL": redis_url,
            "RILLREC_MODEL__NAME": name,
            "RILLREC_FLOW__BATCH_SIZE": "100",
            "RILLREC_FLOW__METRICS_PORT": "0",
        }
        flow = Command(("flow", *arguments), tmp_path / name, environ)
        started.append(flow)
        flow.start()
        store = RedisStore(redis_url, name=name)
        wait_until(
            lambda: reached(store, ends),
            timeout_s=360,
            why=lambda: f"{store.low_marks()} of {ends}: {flow.log.read_text()[-4_000:]}",
        )
        flow.end()
        assert "Traceback" not in flow.log.read_text()
        found = outcome(store)
        store.close()
        return found

    yield run
    for flow in started:
        flow.destroy()


def reached(store: RedisStore, ends: dict[str, dict[int, int]]) -> bool:
    marks = store.low_marks()
    return all(
        mark_of(marks, topic, p) >= end for topic, parts in ends.items() for p, end in parts.items()
    )


def outcome(store: RedisStore) -> Outcome:
    replica = Replica(store)
    while replica.refresh():
        pass
    progress = replica.state.progress
    counts = (progress.absorbed, progress.trained, len(replica.state.items), progress.marks)
    letters = store.dead_letters(limit=1_000_000)
    assert len(letters) == len(set(letters))
    return store.read_users([f"u{n}" for n in range(USERS)]), set(letters), counts


@pytest.mark.timeout(1_200)
def test_two_workers_and_two_processes_end_with_what_one_worker_ends_with(learnt: Run) -> None:
    states, letters, counts = learnt("one")
    assert len(states) > USERS - 10
    assert len(letters) > EVENTS // 100
    for name, arguments in (
        ("threads", ("--workers", "2")),
        ("processes", ("--processes", "2")),
        ("both", ("--processes", "2", "--workers", "2")),
    ):
        found_states, found_letters, found_counts = learnt(name, *arguments)
        differ = [user for user in states if found_states.get(user) != states[user]]
        print(f"\n{name}: {len(differ)} of {len(states)} users differ")
        assert not differ, (found_states.get(differ[0]), states[differ[0]])
        assert found_states.keys() == states.keys()
        assert found_letters == letters
        assert found_counts == counts
