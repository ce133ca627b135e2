"""Metrics against hand-worked cases, and against those of torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional import retrieval

from online_models.metrics import list_metrics, ranking_metrics

FIRST = ("hr@10", "hr@20", "mrr@20", "ndcg@10")


@pytest.mark.parametrize(
    ("ranks", "wanted"),
    [
        ([], [0, 0, 0, 0]),
        ([0, 0], [0, 0, 0, 0]),
        ([1], [1, 1, 1, 1]),
        ([2], [1, 1, 0.5, 0.6309]),
        ([10], [1, 1, 0.1, 0.2891]),
        ([11], [0, 1, 0.0909, 0]),
        ([20], [0, 1, 0.05, 0]),
        ([21], [0, 0, 0, 0]),
        ([3, 0, 1, 15], [0.5, 0.75, 0.35, 0.375]),
    ],
)
def test_metrics_equal_those_worked_out_by_hand(ranks: list[int], wanted: list[float]) -> None:
    metrics = ranking_metrics(np.array(ranks, dtype=np.int64))
    assert list(metrics)[:4] == list(FIRST)
    assert [metrics[name] for name in FIRST] == wanted
    assert metrics["recall@20"] == metrics["hr@20"]
    assert metrics["map@20"] == metrics["mrr@20"]
    assert metrics["precision@10"] == pytest.approx(metrics["hr@10"] / 10, abs=1e-4)


@pytest.mark.parametrize(
    ("relevance", "relevant", "k", "wanted"),
    [
        # Manning et al.: precision at 1 and 3 is 1 and 2/3, the third relevant item is not found.
        ("1010", 3, 4, {"precision": 1 / 2, "recall": 2 / 3, "map": (1 + 2 / 3) / 3, "mrr": 1}),
        # More are relevant than fit: two of two is the best there is.
        ("11", 5, 2, {"precision": 1, "recall": 0.4, "map": 1, "ndcg": 1, "hr": 1}),
        ("011", 2, 2, {"precision": 1 / 2, "recall": 1 / 2, "map": 1 / 4, "mrr": 1 / 2}),
        ("011", 2, 3, {"ndcg": (1 / np.log2(3) + 1 / 2) / (1 + 1 / np.log2(3))}),
        ("000", 1, 3, {"precision": 0, "recall": 0, "map": 0, "mrr": 0, "ndcg": 0, "hr": 0}),
        ("000", 0, 3, {"precision": 0, "recall": 0, "map": 0, "mrr": 0, "ndcg": 0, "hr": 0}),
        ("01", 1, 5, {"precision": 1 / 5, "recall": 1, "map": 1 / 2, "mrr": 1 / 2}),  # cut short
    ],
)
def test_lists_with_several_relevant_items_equal_those_worked_out_by_hand(
    relevance: str, relevant: int, k: int, wanted: dict[str, float]
) -> None:
    marks = np.array([[mark == "1" for mark in relevance]])
    figures = list_metrics(marks, np.array([relevant]), k)
    for name, value in wanted.items():
        assert figures[name][0] == pytest.approx(value), name


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=20, max_size=40), st.integers(1, 20))
def test_metrics_agree_with_torchmetrics(marks: list[bool], k: int) -> None:
    target = torch.tensor(marks)
    scores = torch.arange(len(marks), 0, -1, dtype=torch.float32)
    figures = list_metrics(np.array([marks]), np.array([sum(marks)]), k)
    theirs = {
        "hr": retrieval.retrieval_hit_rate,
        "precision": retrieval.retrieval_precision,
        "recall": retrieval.retrieval_recall,
        "mrr": retrieval.retrieval_reciprocal_rank,
        "ndcg": retrieval.retrieval_normalized_dcg,
    }
    for name, function in theirs.items():
        value = float(function(scores, target, top_k=k))
        assert figures[name][0] == pytest.approx(value, abs=1e-6), name
    # Cut, torchmetrics divides by the relevant items in the list: compared uncut.
    whole = list_metrics(np.array([marks]), np.array([sum(marks)]), len(marks))
    value = float(retrieval.retrieval_average_precision(scores, target))
    assert whole["map"][0] == pytest.approx(value, abs=1e-6)


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=20))
def test_one_relevant_item_is_a_case_of_several(ranks: list[int]) -> None:
    marks = np.array(ranks)[:, None] == np.arange(1, 31)
    metrics = ranking_metrics(np.array(ranks, dtype=np.int64))
    for k in (10, 20):
        figures = list_metrics(marks, np.ones(len(ranks), dtype=np.int64), k)
        for name, values in figures.items():
            assert metrics[f"{name}@{k}"] == pytest.approx(values.mean(), abs=5.1e-5), name


def test_bounds_of_arguments_are_told() -> None:
    with pytest.raises(ValueError, match="k is 0, it must be at least 1"):
        list_metrics(np.zeros((1, 1), dtype=bool), np.ones(1, dtype=np.int64), 0)
    with pytest.raises(ValueError, match="marks more items of a list than relevant has"):
        list_metrics(np.ones((1, 2), dtype=bool), np.ones(1, dtype=np.int64), 2)
