"""The reports of the benches, for people; machines read the same figures as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

BESIDE = ("redis", "broker")


def print_flow(report: Mapping[str, Any], console: Console) -> None:
    """Print what ``bench flow`` measured."""
    rates = Table(title=f"{report['events']:,} events, {report['workers']} worker(s)")
    for title in ("", "events/s", "CPU µs per event"):
        rates.add_column(title, justify="right" if title else "left")
    for name, key in (
        ("raw consume", "consume"),
        ("read, decode", "decode"),
        ("full flow", "full"),
    ):
        cpu = report["cpu_us_per_event" if key == "full" else f"cpu_us_per_event_{key}"]
        rates.add_row(name, f"{report[f'{key}_eps']:,.0f}", f"{cpu['total']:.1f}")
    console.print(rates)
    console.print(_steps(report["cpu_us_per_event"]))
    console.print(f"full flow over decode only: {report['full_over_decode']:.1%}")
    console.print(_memory(report))
    console.print(report["machine"])


def _steps(cpu_us: Mapping[str, float]) -> Table:
    table = Table(title="full flow, CPU µs per event")
    table.add_column("")
    table.add_column("µs", justify="right")
    for name, value in cpu_us.items():
        label = f"{name}, a process of its own" if name in BESIDE else name
        table.add_row(label, f"{value:.2f}", end_section=name in ("threads", "total"))
    return table


def _memory(report: Mapping[str, Any]) -> str:
    memory = f"the flow's process held {report['rss_mb']:,.0f} MB at most"
    if not report["users_of_full_history"]:
        return f"{memory}; no user has 50 events of history"
    return (
        f"{memory}; a user with 50 events of history takes {report['redis_bytes_per_user']:,.0f} "
        f"bytes of Redis (median {report['redis_bytes_p50']:,.0f}, 95th percentile "
        f"{report['redis_bytes_p95']:,.0f}, {report['users_of_full_history']:,} users)"
    )


def print_freshness(report: Mapping[str, Any], console: Console) -> None:
    """Print what ``bench freshness`` measured."""
    table = Table(title=f"{report['events']:,} events at {report['rate']:,.0f}/s")
    for title in ("from Track's reply to …", "p50 ms", "p99 ms", "probes", "timeouts"):
        table.add_column(title, justify="left" if title.startswith("from") else "right")
    for name, words in (
        ("event_to_slate", "a slate that reflects the event"),
        ("new_item", "a slate with the new item"),
        ("vector", "a slate by vectors trained on it"),
    ):
        figures = report[f"{name}_ms"]
        table.add_row(
            words,
            *(_ms(figures[quantile]) for quantile in ("p50", "p99")),
            f"{report['probes'][name]:,}",
            f"{report['timeouts'][name]:,}",
        )
    console.print(table)
    cores = ", ".join(f"{name} {share:.2f}" for name, share in report["cores"].items())
    console.print(f"cores taken: {cores}")
    track = report["track_ms"]
    console.print(f"Track itself: median {_ms(track['p50'])} ms, p99 {_ms(track['p99'])} ms")
    console.print(report["machine"])


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
