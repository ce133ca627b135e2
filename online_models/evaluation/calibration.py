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
