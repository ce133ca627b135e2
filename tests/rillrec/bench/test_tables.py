"""Reports for people say what the JSON says."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from rillrec.bench.figures import cpu_us_per_event, quantiles
from rillrec.bench.meter import Measurement
from rillrec.bench.tables import print_flow, print_freshness

MEASURED = Measurement(
    events=1_000_000,
    seconds=50.0,
    process_s=40.0,
    workers_s=30.0,
    reading_s=2.0,
    beside_s={"redis": 7.0, "broker": 1.5},
    peak_mb=512.0,
    steps_s={"decode": 4.0, "learn": 20.0},
)
FLOW = {
    "events": 1_000_000,
    "workers": 2,
    "consume_eps": 250_000.0,
    "decode_eps": 100_000.0,
    "full_eps": 20_000.0,
    "full_over_decode": 0.2,
    "cpu_us_per_event": cpu_us_per_event(MEASURED),
    "cpu_us_per_event_decode": {"total": 9.5},
    "cpu_us_per_event_consume": {"total": 1.5},
    "redis_bytes_per_user": 712.4,
    "redis_bytes_p50": 704,
    "redis_bytes_p95": 801,
    "users_of_full_history": 1_234,
    "rss_mb": 512.0,
    "machine": "a machine",
}
FRESH = {
    "events": 30_000,
    "rate": 999.6,
    "event_to_slate_ms": {"p50": 12.34, "p99": 56.0},
    "new_item_ms": {"p50": 250.0, "p99": 10_000.0},
    "vector_ms": {"p50": None, "p99": None},
    "probes": {"event_to_slate": 300, "new_item": 75, "vector": 0},
    "timeouts": {"event_to_slate": 0, "new_item": 1, "vector": 0},
    "track_ms": {"p50": 3.0, "p99": 9.0},
    "cores": {"flow": 0.5, "scorer": 0.25},
    "machine": "a machine",
}


def printed(table: Any, report: dict[str, Any]) -> str:
    out = io.StringIO()
    table(report, Console(file=out, width=100))
    return out.getvalue()


def test_processor_time_is_told_by_where_it_goes() -> None:
    assert cpu_us_per_event(MEASURED) == {
        "read": 2.0,
        "decode": 4.0,
        "learn": 20.0,
        "engine": 4.0,
        "threads": 10.0,
        "total": 40.0,
        "redis": 7.0,
        "broker": 1.5,
    }


def test_the_flow_is_told_by_rates_steps_and_memory() -> None:
    text = printed(print_flow, FLOW)
    for part in ("250,000", "100,000", "20,000", "2 worker(s)", "20.0%", "512 MB", "a machine"):
        assert part in text
    assert "redis, a process of its own" in text
    assert "takes 712 bytes of Redis (median 704, 95th percentile 801, 1,234 users)" in " ".join(
        text.split()
    )


def test_users_without_a_full_history_are_no_figure() -> None:
    text = printed(print_flow, FLOW | {"users_of_full_history": 0, "redis_bytes_per_user": None})
    assert "no user has 50 events of history" in text


def test_freshness_is_told_with_its_timeouts() -> None:
    text = printed(print_freshness, FRESH)
    for part in (
        "30,000 events at 1,000/s",
        "12.3",
        "10,000.0",
        "300",
        "median 3.0 ms",
        "flow 0.50, scorer 0.25",
    ):
        assert part in text


def test_what_was_never_measured_has_no_quantiles() -> None:
    assert quantiles([]) == {"p50": None, "p99": None}
    assert " - " in printed(print_freshness, FRESH)
