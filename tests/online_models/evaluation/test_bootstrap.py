"""Intervals that hold what they promise, by whole units, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from online_models.evaluation.bootstrap import interval, resampled_means, two_sided_p


def spread(units: np.ndarray, values: np.ndarray, seed: int = 0) -> float:
    low, high = interval(resampled_means(units, values[:, None], seed=seed)[:, 0])
    return high - low


def test_independent_units_have_the_interval_of_the_binomial() -> None:
    hits = (np.arange(2_000) % 4 == 0).astype(float)
    wanted = 2 * 1.96 * np.sqrt(0.25 * 0.75 / 2_000)
    assert spread(np.arange(2_000), hits) == pytest.approx(wanted, rel=0.1)


def test_predictions_of_one_unit_are_resampled_together() -> None:
    hits = np.repeat(np.arange(200) % 4 == 0, 10).astype(float)  # ten alike in each unit
    alone, together = spread(np.arange(2_000), hits), spread(np.repeat(np.arange(200), 10), hits)
    assert together == pytest.approx(alone * np.sqrt(10), rel=0.1)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng, held = np.random.default_rng(0), 0
    for seed in range(200):
        sizes = rng.integers(1, 6, 300)
        units = np.repeat(np.arange(300), sizes)
        tastes = np.repeat(rng.random(300), sizes)
        hits = (rng.random(len(units)) < tastes).astype(float)
        low, high = interval(resampled_means(units, hits[:, None], seed=seed, resamples=200)[:, 0])
        held += low <= 0.5 <= high
    assert 180 <= held <= 198


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    values = np.random.default_rng(1).random((500, 2))
    units = np.arange(500) // 3
    one, two = (resampled_means(units, values, seed=7) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, resampled_means(units, values, seed=8))


def test_more_units_than_fit_at_once_are_all_drawn() -> None:
    values = np.arange(5_000, dtype=float)[:, None]
    means = resampled_means(np.arange(5_000), values, seed=0)
    assert means.mean() == pytest.approx(2_499.5, rel=0.01)


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(2)
    ours = rng.random(1_000)
    theirs = ours - 0.01  # far less than the spread of either
    columns = np.stack([ours, ours - theirs], axis=1)
    draws = resampled_means(np.arange(1_000), columns, seed=0)
    assert np.ptp(interval(draws[:, 0])) > 0.02
    assert two_sided_p(draws[:, 1]) == pytest.approx(2 / 1_001)


def test_p_values_agree_with_the_paired_t_test() -> None:
    rng = np.random.default_rng(3)
    gains = rng.normal(0.05, 1.0, 2_000)
    draws = resampled_means(np.arange(2_000), gains[:, None], seed=0, resamples=4_000)
    wanted = stats.ttest_1samp(gains, 0.0).pvalue
    assert two_sided_p(draws[:, 0]) == pytest.approx(wanted, abs=0.02)


def test_nothing_to_resample_is_no_error() -> None:
    draws = resampled_means(np.zeros(0, dtype=np.int64), np.zeros((0, 1)), seed=0)
    assert interval(draws[:, 0]) == (0.0, 0.0)
    assert two_sided_p(draws[:, 0]) == 1.0
    alone = resampled_means(np.zeros(1, dtype=np.int64), np.ones((1, 1)), seed=0)
    assert interval(alone[:, 0]) == (1.0, 1.0)
