"""The report of a replay, for people; machines read the same figures as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

FIGURES = ("hr@10", "hr@20", "mrr@20", "ndcg@10")

SEGMENTS = {
    "user_first_event": "user's first event",
    "user_under_5": "user with 1 to 4 events",
    "user_5_to_50": "user with 5 to 50 events",
    "user_over_50": "user with more",
    "user_anonymous": "session without a user",
    "first_slate_returning": "known user's new session",
    "first_slate_stranger": "stranger's session",
    "unit_at_most_1": "unit with at most 1 event",
    "item_unseen": "item never seen before",
    "item_under_1_hour": "item new within 1 hour",
    "item_under_1_day": "item new within 1 day",
    "item_older": "item known for longer",
    "item_head": "item of the head",
    "item_tail": "item of the tail",
}


def print_report(
    report: Mapping[str, Any], console: Console, *, compared: tuple[str, ...] = ()
) -> None:
    """Print a replay's report as tables, and what went into it.

    Parameters
    ----------
    compared
        Those that the recommender is to be compared with in a table of their own.
    """
    console.print(_table(report))
    if compared:
        told = {name: report["compared"][name] for name in compared}
        console.print(gains_table(told, title="how far Rillrec is ahead of each"))
    if "ablation" in report:
        console.print(gains_table(report["ablation"], title="what each adds to the others"))
    if "freshness" in report:
        console.print(_freshness_table(report["freshness"]))
    console.print(_segments_table(report["segments"]))
    console.print(
        f"{report['scored']:,} predictions; the target was among the candidates of "
        f"{report['candidate_recall']:.1%}; {report['coverage']:.1%} of the items were shown"
    )
    console.print(_slates(report["slates"]))
    console.print(_calibration(report["calibration"]))
    console.print(_events(report))


def gains_table(compared: Mapping[str, Any], *, title: str) -> Table:
    """Return a table of paired differences, with how sure they are."""
    table = Table(title=title)
    table.add_column("")
    for column in ("hr@20", "± 95 %", "p", "mrr@20", "± 95 %", "p"):
        table.add_column(column, justify="right")
    for name, told in compared.items():
        table.add_row(
            name,
            f"{told['hr@20_gain']:+.4f}",
            _half(told["hr@20_gain_95"]),
            _p(told["mcnemar_p"]),
            f"{told['mrr@20_gain']:+.4f}",
            _half(told["mrr@20_gain_95"]),
            _p(told["bootstrap_p"]),
        )
    return table


def _table(report: Mapping[str, Any]) -> Table:
    table = Table(title="each event predicted before it was learnt")
    table.add_column("")
    for figure in FIGURES:
        table.add_column(figure, justify="right")
    table.add_row("[bold]Rillrec[/]", *_row(report["metrics"]))
    spread = {name: f"±{_half(low_high)}" for name, low_high in report["intervals_95"].items()}
    table.add_row("  95 % interval", *[spread.get(figure, "") for figure in FIGURES])
    table.add_row("  last half", *_row(report["metrics_last_half"]), end_section=True)
    for source, metrics in report["by_source"].items():
        table.add_row(f"{source} alone", *_row(metrics))
    return table


def _freshness_table(freshness: Mapping[str, Any]) -> Table:
    """Return a table of models that lag, beside the one that does not."""
    table = Table(title=f"what freshness is worth, on {freshness['scored']:,} predictions")
    table.add_column("the model lags by")
    for column in ("hr@20", "lost", "p", "mrr@20", "lost", "p"):
        table.add_column(column, justify="right")
    own = freshness["metrics"]
    table.add_row("0", f"{own['hr@20']:.4f}", "", "", f"{own['mrr@20']:.4f}", "", "")
    for name, metrics in freshness["lagging"].items():
        told = freshness["compared"][name]
        table.add_row(
            name,
            f"{metrics['hr@20']:.4f}",
            f"{told['hr@20_gain']:.4f}",
            _p(told["mcnemar_p"]),
            f"{metrics['mrr@20']:.4f}",
            f"{told['mrr@20_gain']:.4f}",
            _p(told["bootstrap_p"]),
        )
    return table


def _segments_table(segments: Mapping[str, Any]) -> Table:
    """Return a table of the segments that there are; popularity tells how hard each is."""
    table = Table(title="for whom, and what was to be found")
    for column in ("", "predictions", "hr@20", "mrr@20", "popularity hr@20"):
        table.add_column(column, justify="right" if column else "left")
    for name, label in SEGMENTS.items():
        if name in ("first_slate_returning", "unit_at_most_1", "item_unseen", "item_head"):
            table.add_section()
        told = segments[name]
        if told["count"]:
            popular = told["by_source"].get("popularity")
            table.add_row(
                label,
                f"{told['count']:,}",
                f"{told['hr@20']:.4f}",
                f"{told['mrr@20']:.4f}",
                f"{popular['hr@20']:.4f}" if popular else "",
            )
    return table


def _slates(slates: Mapping[str, Any]) -> str:
    parts = [f"slates: diversity {slates['diversity']:.2f}"]
    if slates["category_diversity"] is not None:
        parts.append(f"of categories {slates['category_diversity']:.2f}")
    parts.append(f"novelty {slates['novelty_bits']:.1f} bits")
    parts.append(f"Gini of exposure {slates['exposure_gini']:.2f}")
    return ", ".join(parts)


def _calibration(told: Mapping[str, Any]) -> str:
    return (
        f"calibration: expected error {told['first']['ece']:.3f} of the first item's probability, "
        f"{told['slate']['ece']:.3f} of the slate's"
    )


def _row(metrics: Mapping[str, float]) -> list[str]:
    return [f"{metrics[figure]:.4f}" for figure in FIGURES]


def _half(low_high: list[float]) -> str:
    return f"{(low_high[1] - low_high[0]) / 2:.4f}"


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else f"{value:.3f}"


def _events(report: Mapping[str, Any]) -> str:
    parts = [f"{report['events']:,} events in {report['seconds']:.1f} s"]
    parts.append(f"{report['events_per_s']:,.0f}/s")
    parts += [
        f"{report[name]:,} {name}"
        for name in ("filtered", "rejected", "duplicates")
        if report[name]
    ]
    return ", ".join(parts)
