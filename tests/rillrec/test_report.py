"""The report for people says what the JSON says."""

import io

from rich.console import Console

from rillrec.report import SEGMENTS, print_report

METRICS = {"hr@10": 0.1, "hr@20": 0.25, "mrr@20": 0.0625, "ndcg@10": 0.0312}
GAINS = {
    "hr@20_gain": 0.0321,
    "hr@20_gain_95": [0.03, 0.034],
    "mcnemar_p": 1e-9,
    "mrr@20_gain": -0.0123,
    "mrr@20_gain_95": [-0.02, 0.004],
    "bootstrap_p": 0.042,
}
NOBODY = {"count": 0, "hr@20": 0.0, "mrr@20": 0.0, "by_source": {}}
COLD = {"count": 4_321, "hr@20": 0.11, "mrr@20": 0.05, "by_source": {"popularity": {"hr@20": 0.07}}}
SLATES = {
    "diversity": 0.876,
    "category_diversity": None,
    "novelty_bits": 9.87,
    "exposure_gini": 0.654,
}


def printed(*, compared: tuple[str, ...] = (), **changes: object) -> str:
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
        "intervals_95": {"hr@20": [0.24, 0.26], "mrr@20": [0.06, 0.065]},
        "compared": {"rules": GAINS},
        "segments": dict.fromkeys(SEGMENTS, NOBODY) | {"user_first_event": COLD},
        "slates": SLATES,
        "calibration": {"first": {"ece": 0.0312}, "slate": {"ece": 0.1}},
    }
    out = io.StringIO()
    print_report(report | changes, Console(file=out, width=100), compared=compared)
    return out.getvalue()


def test_all_rankings_are_shown() -> None:
    text = printed()
    for name in ("Rillrec", "last half", "popularity alone", "rules alone", "encoder alone"):
        assert name in text
    assert "0.2500" in text
    assert "±0.0100" in text
    assert "0.3000" in text
    assert "1,111 predictions" in text
    assert "of 75.0%; 50.0% of the items" in text


def test_segments_without_predictions_are_left_out() -> None:
    text = printed()
    [row] = [line for line in text.splitlines() if "user's first event" in line]
    for figure in ("4,321", "0.1100", "0.0500", "0.0700"):
        assert figure in row
    assert "user with" not in text
    lonely = printed(segments=dict.fromkeys(SEGMENTS, NOBODY | {"count": 1}))
    assert all(label in lonely for label in SEGMENTS.values())


def test_slates_and_calibration_take_a_line_each() -> None:
    text = printed()
    assert "slates: diversity 0.88, novelty 9.9 bits, Gini of exposure 0.65\n" in text
    assert "of categories 0.25" in printed(slates=SLATES | {"category_diversity": 0.25})
    assert "0.031 of the first item's probability, 0.100 of the slate's" in text


def test_comparisons_are_shown_where_they_were_asked_for() -> None:
    assert "ahead" not in printed()
    text = printed(compared=("rules",))
    [row] = [line for line in text.splitlines() if "+0.0321" in line]
    for figure in ("rules", "0.0020", "<.001", "-0.0123", "0.0120", "0.042"):
        assert figure in row


def test_what_each_source_adds_is_shown_where_it_was_asked_for() -> None:
    assert "what each adds to the others" not in printed()
    text = printed(ablation={"encoder": {"metrics": METRICS, **GAINS}})
    [row] = [line for line in text.splitlines() if "+0.0321" in line]
    assert "encoder" in row
    assert "what each adds to the others" in text


def test_models_that_lag_stand_beside_the_one_that_does_not() -> None:
    freshness = {
        "scored": 4_444,
        "metrics": METRICS | {"hr@20": 0.5},
        "lagging": {"30min": METRICS | {"hr@20": 0.4679}},
        "compared": {"30min": GAINS},
    }
    text = printed(freshness=freshness)
    assert "what freshness is worth, on 4,444 predictions" in text
    assert any("0.5000" in line and " 0 " in line for line in text.splitlines())
    [row] = [line for line in text.splitlines() if "30min" in line]
    for figure in ("0.4679", "0.0321", "<.001", "0.0625", "-0.0123", "0.042"):
        assert figure in row


def test_only_losses_that_happened_are_told() -> None:
    assert "12,345 events in 2.5 s, 4,938/s\n" in printed()
    assert "4,938/s, 7 rejected, 2 duplicates\n" in printed(rejected=7, duplicates=2)
