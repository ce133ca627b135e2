"""The benches from end to end, at a small size: their own broker, Redis and processes.

What they measure is never asserted, only that it was measured, and that nothing is left behind.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rillrec.kafka_jars import cache
from tests.integration.processes import command_of, descendants
from tests.kafka import need_broker
from tests.rillrec.conftest import Run

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(1_200)]

FLOW_KEYS = {
    "consume_eps",
    "decode_eps",
    "full_eps",
    "full_over_decode",
    "cpu_us_per_event",
    "redis_bytes_per_user",
    "rss_mb",
}
STEPS = {"read", "decode", "shard", "sessionise", "persist", "learn", "publish", "engine"}


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a broker start in whatever home the command runs, and see that nothing is left of it."""
    need_broker(tmp_path, environ=os.environ)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache().parent.parent))
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield
    assert list(directory.iterdir()) == []
    left = [command_of(pid) for pid in descendants(os.getpid())]
    assert [command for command in left if str(directory) in command] == []


def test_a_flow_is_measured_raw_decoding_and_whole(run: Run) -> None:
    ran = run("bench", "flow", "--events", 2_000, "--users", 20, "--items", 300, "--json")
    assert ran.code == 0, ran.err
    report = json.loads(ran.out)
    assert set(report) >= FLOW_KEYS
    assert STEPS | {"redis", "broker", "total"} <= set(report["cpu_us_per_event"])
    assert report["counts"]["accepted"] == 2_000
    assert report["users_of_full_history"] > 5
    assert all(report[key] > 0 for key in FLOW_KEYS - {"cpu_us_per_event"})
    assert (report["events"], report["seed"], report["workers"]) == (2_000, 0, 1)
    assert "full: 2,000 events" in ran.err


def test_a_flow_on_two_workers_is_measured_while_a_file_is_sent_at_a_rate(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "clicks.csv"
    rows = [f"{n % 40},{n % 7},{1_700_000_000 + n}" for n in range(600)]
    path.write_text("\n".join(["who,item,ts", *rows]) + "\n")
    options = ("--rate", 400, "--workers", 2, "--partitions", 2, "--map", "user_id=who")
    ran = run("bench", "flow", "--file", path, *options)
    assert ran.code == 0, ran.err
    assert "600 events, 2 worker(s)" in ran.out
    assert "full flow over decode only" in ran.out
    assert "no user has 50 events of history" in " ".join(ran.out.split())


def test_freshness_is_measured_through_the_public_api(run: Run) -> None:
    options = ("--rate", 100, "--seconds", 3, "--warm-up", 1_000, "--users", 100, "--items", 200)
    ran = run("bench", "freshness", *options, "--json")
    assert ran.code == 0, ran.err
    report = json.loads(ran.out)
    for name in ("event_to_slate", "new_item", "vector"):
        assert report["probes"][name] > 0
        assert set(report[f"{name}_ms"]) == {"p50", "p99"}
        assert report[f"{name}_ms"]["p50"] > 0
    assert report["events"] == 300


def test_columns_without_a_file_are_refused(run: Run) -> None:
    ran = run("bench", "flow", "--map", "user_id=who")
    assert ran.code == 2
    assert "there is no --file whose columns it names" in " ".join(ran.err.split())


def test_a_file_without_interactions_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text('{"type": "item", "item_id": "tea"}\n')
    ran = run("bench", "flow", "--file", path)
    assert ran.code == 4
    assert "has no interactions: `rillrec validate" in ran.err
