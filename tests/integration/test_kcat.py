"""A producer and a consumer that are not ours: kcat."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from rillrec.client import Client
from serving.store import RedisStore
from tests.integration.conftest import Start
from tests.integration.processes import wait_until
from tests.kafka import Kafka, lacking

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.kafka]

GLOBO = Path(__file__).parents[3] / "shared" / "data" / "globo" / "events.csv.gz"
EVENTS = 100_000
FIELDS = ("environment", "device", "os", "country", "region", "referrer")


def clicks() -> Iterator[tuple[str, str]]:
    """Yield user and event of real clicks."""
    with gzip.open(GLOBO, "rt") as file:
        for n, row in enumerate(islice(csv.DictReader(file), EVENTS)):
            event = {
                "event_id": f"globo-{n}",
                "user_id": row["user"],
                "item_id": row["item"],
                "kind": row["event_type"],
                "time_ms": int(float(row["ts"]) * 1_000),
                "session_id": row["session_id"],
                "context": {name: row[name] for name in FIELDS},
            }
            yield row["user"], json.dumps(event)


@pytest.fixture(scope="module")
def kcat() -> str:
    return shutil.which("kcat") or lacking(
        "kcat is not installed (Debian: kcat)", environ=os.environ
    )


@pytest.mark.timeout(1_800)
@pytest.mark.skipif(not GLOBO.exists(), reason="the clicks of Globo.com are not on this machine")
def test_what_kcat_produces_is_learnt_and_served(
    kafka: Kafka, kcat: str, redis_url: str, start: Start
) -> None:
    topics = kafka.topics(partitions=4)
    topic = topics["interactions_topic"]
    environ = {f"RILLREC_KAFKA__{name.upper()}": value for name, value in topics.items()}
    environ |= {"RILLREC_KAFKA__BROKERS": kafka.brokers, "RILLREC_STORE__REDIS_URL": redis_url}
    flow = start("flow", "--model", "globo", environ=environ)
    serve = start("serve", "--model", "globo", "--port", "0", environ=environ)
    address = serve.wait_for(r"listens on (\S+) \(gRPC\)")[1]
    users: Counter[str] = Counter()
    lines = []
    for user, event in clicks():
        users[user] += 1
        lines.append(f"{user}\t{event}\n")
    subprocess.run(
        [kcat, "-P", "-b", kafka.brokers, "-t", topic, "-K", "\t", "-X", "acks=all"],
        input="".join(lines).encode(),
        check=True,
        timeout=360,
    )
    ends = kafka.ends(topic)
    assert sum(ends.values()) == EVENTS
    store, began_s = RedisStore(redis_url, name="globo"), time.monotonic()
    wait_until(lambda: store.low_marks().get(topic, {}) == ends, timeout_s=900)
    took_s = time.monotonic() - began_s
    (busy, visits), *_ = users.most_common(1)
    with Client(address, timeout_s=200.0) as client:
        wait_until(lambda: client.model_info().absorbed_events == EVENTS)
        known, stranger = client.recommend(busy, 10), client.recommend("nobody", 10)
    state, _ = store.read_user(busy)
    assert state is not None
    assert len(state.history) == min(visits, 50)
    assert known.known_user
    assert not stranger.known_user
    assert len(known.items) == len(stranger.items) == 10
    assert [i.item_id for i in known.items] != [i.item_id for i in stranger.items]
    assert any("rules" in item.sources for item in known.items)
    print(f"\n{EVENTS:,} events of kcat learnt, the last {took_s:.1f} s after the last was sent")
    assert flow.process.poll() is None
    store.close()


def test_kcat_reads_dead_letters_with_why_and_whence(
    kafka: Kafka, kcat: str, redis_url: str, start: Start
) -> None:
    topics = kafka.topics()
    environ = {f"RILLREC_KAFKA__{name.upper()}": value for name, value in topics.items()}
    environ |= {"RILLREC_KAFKA__BROKERS": kafka.brokers, "RILLREC_STORE__REDIS_URL": redis_url}
    start("flow", "--model", "letters", environ=environ)
    poison = b'\x00\xff{"user_id": "ann", not json'
    subprocess.run(
        [kcat, "-P", "-b", kafka.brokers, "-t", topics["interactions_topic"], "-k", "ann"],
        input=poison,
        check=True,
        timeout=240,
    )
    wait_until(lambda: kafka.ends(topics["dead_letters_topic"]) == {0: 1})
    reader = [kcat, "-C", "-b", kafka.brokers, "-t", topics["dead_letters_topic"], "-e", "-q"]
    read = subprocess.run(
        [*reader, "-f", "%h\n%s"],
        capture_output=True,
        check=True,
        timeout=240,
    ).stdout
    headers, _, value = read.partition(b"\n")
    assert value == poison
    assert b"reason=malformed" in headers
    assert f"topic={topics['interactions_topic']}".encode() in headers
    assert b"partition=0" in headers
    assert b"offset=0" in headers
