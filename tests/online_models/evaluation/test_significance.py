"""McNemar's test against the binomial and the chi-square of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from online_models.evaluation.significance import EXACT_BELOW, mcnemar


def hits(only_ours: int, only_theirs: int, both: int = 7) -> tuple[np.ndarray, np.ndarray]:
    ours = [True] * only_ours + [False] * only_theirs + [True] * both + [False] * 3
    theirs = [False] * only_ours + [True] * only_theirs + [True] * both + [False] * 3
    return np.array(ours), np.array(theirs)


@given(st.integers(0, 49), st.integers(0, 50))
def test_few_are_judged_exactly(only_ours: int, only_theirs: int) -> None:
    wanted = 1.0
    if only_ours + only_theirs:
        wanted = stats.binomtest(only_ours, only_ours + only_theirs).pvalue
    assert mcnemar(*hits(only_ours, only_theirs)) == pytest.approx(wanted, rel=1e-9)


@given(st.integers(EXACT_BELOW, 3_000), st.integers(0, 3_000))
def test_many_are_judged_by_chi_square_with_continuity_correction(
    only_ours: int, only_theirs: int
) -> None:
    apart = max(0, abs(only_ours - only_theirs) - 1)
    wanted = stats.chi2.sf(apart**2 / (only_ours + only_theirs), 1)
    assert mcnemar(*hits(only_ours, only_theirs)) == pytest.approx(wanted, rel=1e-6, abs=1e-300)


def test_a_worked_case() -> None:
    # Heads once or never, or tails once or never, in nine throws of a fair coin.
    assert mcnemar(*hits(8, 1)) == pytest.approx(2 * (1 + 9) / 2**9)


def test_what_both_hit_or_both_miss_tells_nothing() -> None:
    assert mcnemar(*hits(9, 3, both=0)) == mcnemar(*hits(9, 3, both=1_000))
    assert mcnemar(*hits(0, 0)) == 1.0


@given(st.integers(0, 300), st.integers(0, 300))
def test_it_is_the_same_from_either_side(only_ours: int, only_theirs: int) -> None:
    ours, theirs = hits(only_ours, only_theirs)
    assert mcnemar(ours, theirs) == mcnemar(theirs, ours)
