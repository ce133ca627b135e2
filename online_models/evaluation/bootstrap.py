"""Confidence intervals by resampling units: predictions of one session are no strangers.

References
----------
B. Efron, R. J. Tibshirani: An Introduction to the Bootstrap. 1993.
N. Chamandy, O. Muralidharan, A. Najmi, S. Naidu: Estimating Uncertainty for Massive Data Streams.
Google, 2012. https://research.google/pubs/pub43157/ (Poisson bootstrap)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RESAMPLES = 1_000
_UNITS_AT_ONCE = 1_024


def resampled_means(
    units: npt.NDArray[np.int64], values: Floats, *, seed: int, resamples: int = RESAMPLES
) -> Floats:
    """Return the means of columns in resamples of the units, of shape ``(resamples, columns)``.

    Each unit, with all of its predictions, counts as often as a Poisson variable of mean 1 says:
    drawing with replacement, without a need to know how many there are. Columns are resampled
    together, so that differences of columns are paired. Memory: 8 MB, and the sums of each unit.

    Parameters
    ----------
    units
        The unit of each prediction, of shape ``(predictions,)``.
    values
        Of shape ``(predictions, columns)``.
    """
    _, places = np.unique(units, return_inverse=True)
    sizes = np.bincount(places)
    sums = np.stack([np.bincount(places, column) for column in values.T], axis=1)
    generator = np.random.default_rng(seed)
    totals, weights = np.zeros((resamples, values.shape[1])), np.zeros(resamples)
    for start in range(0, len(sizes), _UNITS_AT_ONCE):
        part = slice(start, start + _UNITS_AT_ONCE)
        times = generator.poisson(1.0, (resamples, len(sizes[part]))).astype(np.float64)
        totals += times @ sums[part]
        weights += times @ sizes[part]
    drawn = weights > 0  # of few units, a resample may hold none
    means: Floats = totals[drawn] / weights[drawn, None]
    return means


def interval(means: Floats, *, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of resampled means, of shape ``(resamples,)``."""
    if not len(means):
        return 0.0, 0.0
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def two_sided_p(differences: Floats) -> float:
    """Return how likely it is that a mean difference has the other sign, or none, doubled.

    It can't fall below ``2 / (resamples + 1)``, as so many resamples tell no more.
    """
    below, above = np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0)
    return float(min(1.0, 2 * (min(below, above) + 1) / (len(differences) + 1)))
