"""The report for people says what the JSON says."""

import io

from rich.console import Console

from rillrec.report import print_report

METRICS = {"hr@10": 0.1, "hr@20": 0.25, "mrr@20": 0.0625, "ndcg@10": 0.0312}


def printed(**changes: object) -> str:
    report = {
        "events": 12_345,
        "filtered": 0,
        "rejected": 0,
        "duplicates": 0,
        "seconds": 2.5,
        "events_per_s": 4938.0,
        "scored": 1_111,
        "metrics": METRICS,
        "metrics_last_half": METRICS | {"hr@20": 0.3},
        "by_source": {"popularity": METRICS, "rules": METRICS, "encoder": METRICS},
        "candidate_recall": 0.75,
        "coverage": 0.5,
    }
    out = io.StringIO()
    print_report(report | changes, Console(file=out, width=100))
    return out.getvalue()


def test_all_rankings_are_shown() -> None:
    text = printed()
    for name in ("Rillrec", "last half", "popularity alone", "rules alone", "encoder alone"):
        assert name in text
    assert "0.2500" in text
    assert "0.3000" in text
    assert "1,111 predictions" in text
    assert "of 75.0%; 50.0% of the items" in text


def test_only_losses_that_happened_are_told() -> None:
    assert "12,345 events in 2.5 s, 4,938/s\n" in printed()
    assert "4,938/s, 7 rejected, 2 duplicates\n" in printed(rejected=7, duplicates=2)
