"""The report of a replay, for people; machines read the same figures as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

FIGURES = ("hr@10", "hr@20", "mrr@20", "ndcg@10")


def print_report(report: Mapping[str, Any], console: Console) -> None:
    """Print a replay's report as a table of ranking metrics, and what went into it."""
    console.print(_table(report))
    console.print(
        f"{report['scored']:,} predictions; the target was among the candidates of "
        f"{report['candidate_recall']:.1%}; {report['coverage']:.1%} of the items were shown"
    )
    console.print(_events(report))


def _table(report: Mapping[str, Any]) -> Table:
    table = Table(title="each event predicted before it was learnt")
    table.add_column("")
    for figure in FIGURES:
        table.add_column(figure, justify="right")
    table.add_row("[bold]Rillrec[/]", *_row(report["metrics"]))
    table.add_row("  last half", *_row(report["metrics_last_half"]), end_section=True)
    for source, metrics in report["by_source"].items():
        table.add_row(f"{source} alone", *_row(metrics))
    return table


def _row(metrics: Mapping[str, float]) -> list[str]:
    return [f"{metrics[figure]:.4f}" for figure in FIGURES]


def _events(report: Mapping[str, Any]) -> str:
    parts = [f"{report['events']:,} events in {report['seconds']:.1f} s"]
    parts.append(f"{report['events_per_s']:,.0f}/s")
    parts += [
        f"{report[name]:,} {name}"
        for name in ("filtered", "rejected", "duplicates")
        if report[name]
    ]
    return ", ".join(parts)
