"""Freshness: what a young item gains over its score."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Times = npt.NDArray[np.int64]


def freshened(
    scores: Floats, first_seen_ms: Times, now_ms: int, *, gain: float, half_life_ms: float
) -> Floats:
    """Return scores to which ``gain * deviation * 2 ** -(age / half_life)`` was added.

    In deviations, as scores of the ranker and those of popularity are on different scales. Scores
    that are not finite stay as they are.

    Examples
    --------
    >>> times = np.array([0, 0, 1_000])
    >>> freshened(np.float32([1, 0, 0]), times, 1_000, gain=2.0, half_life_ms=100.0).round(2)
    array([1.  , 0.  , 0.94], dtype=float32)
    """
    finite = np.isfinite(scores)
    if not finite.any():
        return scores
    deviation = float(np.std(scores[finite], dtype=np.float64))
    age_ms = np.maximum(now_ms - first_seen_ms, 0)
    boost = (gain * deviation * np.exp2(-age_ms / half_life_ms)).astype(np.float32)
    boosted: Floats = np.where(finite, scores + boost, scores)
    return boosted
