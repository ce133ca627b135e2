"""Measure how long a flow that was killed takes to the first new event.

    python -m tests.benchmarks.resume --users 1000000

A broker and a Redis of its own. A flow learns 20,000 events and is killed; Redis is filled with
the states that it left, once for each of a million users; 1,000 events are sent; and the flow is
started again. The clock runs from the start of the process to the moment when some shard's mark in
Redis has moved: what it waits for first is told too. Three times; the Redis stays up.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from flows.learn import learner_of
from rillrec.bench.prepared import Keyed, from_generator, keyed
from rillrec.bench.testbed import Testbed, testbed
from rillrec.bench.traffic import SPAN_MS, Traffic, generated
from rillrec.sender import Sender
from schemas.keys import shards
from schemas.positions import Marks
from serving.store import RedisStore
from serving.store.wire import Wire

LEARNT, NEW, RUNS = 20_000, 1_000, 3
USERS_OF_MODEL = 400  # 50 events each
PIPELINED = 5_000
POLL_S = 0.002
PATIENCE_S = 120.0
DAY_MS = 86_400_000
IMPORTS = "import rillrec.learning, flows.wiring, flows.sources.kafka, flows.recommend"


def send(bed: Testbed, events: Sequence[Keyed]) -> None:
    """Have the broker acknowledge events."""
    sender = Sender(bed.settings.kafka)
    for user_id, payload in events:
        sender.send(bed.topic, user_id, payload)
    sender.flush()
    sender.close()


@contextmanager
def flow_on(bed: Testbed) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``rillrec flow``, and kill it."""
    command = [sys.executable, "-m", "rillrec", "flow", "--kafka", bed.settings.kafka.brokers]
    process = subprocess.Popen(
        command, env=bed.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def when(what: Callable[[], object]) -> float:
    """Return the moment when something has come about."""
    deadline_s = time.perf_counter() + PATIENCE_S
    while not what():
        if time.perf_counter() > deadline_s:
            raise TimeoutError(f"nothing came about within {PATIENCE_S:g} s")
        time.sleep(POLL_S)
    return time.perf_counter()


def published(store: RedisStore, topic: str) -> int:
    """Return how many events are in the published model."""
    return sum(store.low_marks().get(topic, {}).values())


def fill(bed: Testbed, store: RedisStore, users: int) -> float:
    """Write the states that there are once for each of so many users; return their mean size."""
    wire = Wire(bed.redis_url, timeout_s=60.0)
    known = sorted({user_id for user_id, _ in from_generator(model_traffic())})
    payloads = [raw for raw in wire.call("MGET", *map(store.keys.user, known)) if raw is not None]
    ttl_s = bed.settings.store.user_ttl_s
    for begin in range(0, users, PIPELINED):
        wire.pipeline(
            [
                ("SET", store.keys.user(f"filled-{n}"), payloads[n % len(payloads)], "EX", ttl_s)
                for n in range(begin, min(users, begin + PIPELINED))
            ]
        )
    wire.close()
    return sum(map(len, payloads)) / len(payloads)


def model_traffic() -> Traffic:
    """Return the events that the model learns."""
    return Traffic(events=LEARNT, users=USERS_OF_MODEL)


def new_events(run: int) -> list[Keyed]:
    """Return events of as many users whose states are in Redis, after all that they have done."""
    later_ms = (run + 1) * (SPAN_MS + DAY_MS)
    events = generated(Traffic(events=NEW, users=NEW, seed=run + 1))
    return keyed(
        msgspec.structs.replace(event, user_id=f"filled-{n}", time_ms=event.time_ms + later_ms)
        for n, event in enumerate(events)
    )


def resumed(bed: Testbed, store: RedisStore, run: int) -> dict[str, float]:
    """Start the flow again, and return the seconds until it reached each stage."""
    send(bed, new_events(run))
    before: list[Marks] = store.read_marks(shards())
    learnt = published(store, bed.topic)
    held_by = store.lease_owner()
    begin_s = time.perf_counter()
    with flow_on(bed):
        leased_s = when(lambda: store.lease_owner() not in (None, held_by))
        absorbed_s = when(lambda: store.read_marks(shards()) != before)
        first_s = when(lambda: published(store, bed.topic) > learnt)
        all_s = when(lambda: published(store, bed.topic) == learnt + NEW)
    reached = {
        "holds_the_lease": leased_s,
        "first_event_absorbed": absorbed_s,
        "first_event_published": first_s,
        "all_1000_published": all_s,
    }
    return {stage: round(moment_s - begin_s, 2) for stage, moment_s in reached.items()}


def parts(bed: Testbed, store: RedisStore) -> dict[str, float]:
    """Return what two parts of a start take alone: imports, and the learner's model."""
    begin_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    imported_s = time.perf_counter()
    learner_of(store, config=bed.settings.shapes())
    return {
        "imports": round(imported_s - begin_s, 2),
        "learner": round(time.perf_counter() - imported_s, 2),
    }


def main() -> None:
    """Measure, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    users = parser.parse_args().users
    with testbed(None, partitions=8, tell=lambda line: print(line, file=sys.stderr)) as bed:
        store = RedisStore(bed.redis_url, name=bed.settings.model.name)
        send(bed, from_generator(model_traffic()))
        with flow_on(bed):
            when(lambda: published(store, bed.topic) == LEARNT)
        print(f"filling Redis with {users:,} users", file=sys.stderr)
        state_bytes = fill(bed, store, users)
        runs = [resumed(bed, store, run) for run in range(RUNS)]
        report = {
            "users": users,
            "mean_state_bytes": round(state_bytes),
            "seconds_from_exec": runs,
            "seconds_alone": parts(bed, store),
        }
        store.close()
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
