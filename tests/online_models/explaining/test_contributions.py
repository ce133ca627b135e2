"""What features add to a score: all of it, exactly, and each as the integral says."""

from __future__ import annotations

import numpy as np
import pytest

from online_models.explaining.contributions import contributions
from online_models.ranker import Ranker


@pytest.fixture(params=range(5))
def ranker(request: pytest.FixtureRequest) -> Ranker:
    """A ranker as learning might leave it."""
    made, dice = Ranker(np.zeros(6, np.float32), hidden=8), np.random.default_rng(request.param)
    made.parameters.array[:] = dice.standard_normal(len(made.parameters.array))
    made.norms.array[0] = dice.standard_normal(6)
    made.norms.array[1] = dice.random(6) + 0.1
    return made


def test_they_sum_up_to_the_score(ranker: Ranker) -> None:
    table = np.random.default_rng(9).standard_normal((50, 6)).astype(np.float32) * 3
    for features, score in zip(table, ranker.scores(table), strict=True):
        added, baseline = contributions(ranker, features)
        assert added.sum() + baseline == pytest.approx(score, rel=1e-4, abs=1e-4)


def test_the_baseline_is_the_score_of_the_average(ranker: Ranker) -> None:
    average = ranker.norms.array[0]
    added, baseline = contributions(ranker, average)
    assert baseline == pytest.approx(ranker.scores(average[None])[0], abs=1e-5)
    np.testing.assert_allclose(added, 0, atol=1e-5)


def test_each_is_the_integral_of_its_gradient(ranker: Ranker) -> None:
    features = np.array([1, -2, 0.5, 3, -1, 2], dtype=np.float32)
    z = ranker.standardise(features).astype(np.float64)
    linear, weights, biases, out = (
        part.astype(np.float64) for part in ranker.parts(ranker.parameters.array)
    )
    steps = (np.arange(20_000) + 0.5) / 20_000
    active = (biases + steps[:, None] * (z @ weights) > 0).mean(axis=0)
    np.testing.assert_allclose(
        contributions(ranker, features)[0], z * (linear + weights @ (active * out)), atol=2e-3
    )


def test_without_a_hidden_layer_they_are_the_weighted_features() -> None:
    linear = np.array([1, -1, 0.5], dtype=np.float32)
    ranker = Ranker(linear, hidden=4)  # its output weights begin at zero
    features = np.array([1, 2, -3], dtype=np.float32)
    added, baseline = contributions(ranker, features)
    np.testing.assert_allclose(added, ranker.standardise(features) * linear)
    assert baseline == 0
