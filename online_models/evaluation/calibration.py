"""Whether what is said to be likely is as likely as that.

References
----------
C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger: On Calibration of Modern Neural Networks. ICML 2017.
https://proceedings.mlr.press/v70/guo17a.html (expected calibration error)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BINS = 15
LEVELS = 8
LEAST_RATE = 1 / 1000


class CandidateRecall:
    """How likely a target is a candidate at all, by those that came before.

    A softmax over candidates takes for granted that the target is one of them. How often it is, is
    followed for each of ``LEVELS`` levels of what the softmax gives the slate: where that is
    little, the sources know little too. Targets count alike at first, about the last 1,000 later.

    Examples
    --------
    >>> recall = CandidateRecall()
    >>> recall.of(0.9)
    1.0
    >>> recall.note(0.9, candidate=False)
    >>> recall.of(0.95), recall.of(0.1)
    (0.5, 1.0)
    """

    def __init__(self) -> None:
        self._shares, self._counts = [1.0] * LEVELS, [1] * LEVELS

    def of(self, slate_confidence: float) -> float:
        """Return how likely the target is a candidate of a slate with this share of the softmax."""
        return self._shares[_level(slate_confidence)]

    def note(self, slate_confidence: float, *, candidate: bool) -> None:
        """Take in whether it was."""
        level = _level(slate_confidence)
        self._counts[level] += 1
        rate = max(1 / self._counts[level], LEAST_RATE)
        self._shares[level] += rate * (candidate - self._shares[level])


def _level(slate_confidence: float) -> int:
    return min(int(slate_confidence * LEVELS), LEVELS - 1)


def softmax_of(scores: npt.NDArray[np.float32], places: npt.NDArray[np.int64]) -> Floats:
    """Return the probabilities of some of the candidates by the scores of all.

    Parameters
    ----------
    scores
        Of all; those that are not finite have a probability of 0.
    places
        Of those that are asked for, the best of all first.

    Examples
    --------
    >>> scores = np.array([0.0, np.log(3.0), np.nan], dtype=np.float32)
    >>> softmax_of(scores, np.array([1, 0])).round(3)
    array([0.75, 0.25])
    """
    weights = np.exp(scores - scores[places[0]])
    total = float(weights.sum())
    if not math.isfinite(total):
        weights[~np.isfinite(weights)] = 0
        total = float(weights.sum())
    probabilities: Floats = weights[places].astype(np.float64) / max(total, 1e-30)
    return probabilities


def calibration(said: npt.NDArray[Any], happened: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return the expected calibration error and its bins.

    ``sum over bins of share * |mean said - mean happened|``, over 15 bins of equal width.

    Parameters
    ----------
    said
        Probabilities; those that are NaN were not said, and do not count.
    happened
        Whether it did, of the same shape.

    Examples
    --------
    >>> said, happened = np.array([0.25, 0.25, 0.25, 0.75]), np.array([True, False, False, False])
    >>> calibration(said, happened)["ece"]
    0.25
    """
    told = ~np.isnan(said)
    said, happened = said[told].astype(np.float64), happened[told]
    if not len(said):
        return {"ece": 0.0, "bins": []}
    place = np.clip((said * BINS).astype(np.int64), 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    held = counts > 0
    means = np.bincount(place, said, BINS)[held] / counts[held]
    rates = np.bincount(place, happened, BINS)[held] / counts[held]
    ece = float(np.abs(means - rates) @ counts[held] / len(said))
    rows = zip(means.tolist(), rates.tolist(), counts[held].tolist(), strict=True)
    bins = [{"said": round(s, 4), "happened": round(h, 4), "count": n} for s, h, n in rows]
    return {"ece": round(ece, 4), "bins": bins}
