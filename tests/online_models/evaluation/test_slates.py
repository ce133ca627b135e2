"""Diversity, exposure and calibration against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from online_models.evaluation.calibration import CandidateRecall, calibration, softmax_of
from online_models.evaluation.slates import category_diversity, gini, vector_diversity

VECTORS = arrays(np.float32, (5, 3), elements=st.integers(-3, 3).map(np.float32))


@given(VECTORS)
def test_vector_diversity_is_the_mean_distance_of_pairs(vectors: np.ndarray) -> None:
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = [
        vectors[i] @ vectors[j] / max(lengths[i] * lengths[j], 1e-12)
        for i in range(5)
        for j in range(i)
    ]
    assert vector_diversity(vectors) == pytest.approx(1 - np.mean(cosines), abs=1e-5)


CATEGORIES = st.lists(st.lists(st.sampled_from("abcd"), unique=True).map(tuple), max_size=6)


@given(CATEGORIES)
def test_category_diversity_is_the_mean_distance_of_pairs(
    categories: list[tuple[str, ...]],
) -> None:
    known = [set(one) for one in categories if one]
    pairs = [(a, b) for n, a in enumerate(known) for b in known[:n]]
    if not pairs:
        assert np.isnan(category_diversity(categories))
        return
    wanted = np.mean([1 - len(a & b) / len(a | b) for a, b in pairs])
    assert category_diversity(categories) == pytest.approx(wanted)


def test_one_item_is_no_pair() -> None:
    assert np.isnan(vector_diversity(np.ones((1, 4), dtype=np.float32)))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
def test_gini_is_half_the_mean_difference_over_the_mean(exposures: list[int]) -> None:
    counts = np.array(exposures)
    wanted = 0.0
    if counts.sum():
        wanted = np.abs(counts[:, None] - counts).mean() / 2 / counts.mean()
    assert gini(counts) == pytest.approx(wanted)


def test_what_is_said_as_often_as_it_happens_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    said = rng.random(50_000).astype(np.float32)
    happens = rng.random(50_000) < said
    assert calibration(said, happens)["ece"] < 0.01
    assert calibration(said, rng.random(50_000) < said / 2)["ece"] == pytest.approx(0.25, abs=0.01)


def test_bins_tell_what_was_said_and_what_happened() -> None:
    told = calibration(np.array([0.0, 1.0, 1.0, np.nan]), np.array([False, True, False, True]))
    assert told == {
        "ece": 0.3333,
        "bins": [
            {"said": 0.0, "happened": 0.0, "count": 1},
            {"said": 1.0, "happened": 0.5, "count": 2},
        ],
    }
    assert calibration(np.array([np.nan]), np.array([True])) == {"ece": 0.0, "bins": []}


def test_targets_that_are_no_candidates_are_allowed_for() -> None:
    """The surer the ranker is of its slate, the likelier the target is a candidate at all."""
    rng, recall = np.random.default_rng(0), CandidateRecall()
    confidence = rng.random(20_000)
    candidate = rng.random(20_000) < np.where(confidence < 0.5, 0.2, 0.9)
    told = []
    for slate, known in zip(confidence.tolist(), candidate.tolist(), strict=True):
        told.append(recall.of(slate))
        recall.note(slate, candidate=known)
    happens = candidate & (rng.random(20_000) < confidence)
    assert calibration(confidence, happens)["ece"] > 0.1
    assert calibration(confidence * told, happens)["ece"] < 0.02


@given(arrays(np.float32, 6, elements=st.integers(-80, 80).map(np.float32)))
def test_softmax_sums_to_one_and_keeps_the_order(scores: np.ndarray) -> None:
    order = np.argsort(-scores, kind="stable")
    probabilities = softmax_of(scores, order)
    assert probabilities.sum() == pytest.approx(1, abs=1e-6)
    assert (np.diff(probabilities) <= 0).all()


def test_what_is_not_finite_has_no_probability() -> None:
    scores = np.array([1, np.nan, np.inf, -np.inf], dtype=np.float32)
    np.testing.assert_array_equal(softmax_of(scores, np.array([0, 1, 2, 3])), [1, 0, 0, 0])
    nothing = np.array([np.nan, np.nan], dtype=np.float32)
    np.testing.assert_array_equal(softmax_of(nothing, np.array([0, 1])), [0, 0])
