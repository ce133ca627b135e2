"""The ranker's passes over all candidates of a step, compiled and in place.

Numpy would make a table of half a megabyte for each operation, which costs more than the sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from online_models.compiled import jit


@jit
def standardise(features: Any, mean: Any, variance: Any) -> None:
    """Do in place what ``Ranker.standardise`` does."""
    deviations = np.sqrt(variance + np.float32(1e-6))
    most = np.float32(6)
    for n in range(features.shape[0]):
        for f in range(features.shape[1]):
            z = (features[n, f] - mean[f]) / deviations[f]
            z = z if z < most else most  # noqa: FURB136 - min and max would not be vectorised
            features[n, f] = z if z > -most else -most  # noqa: FURB136


@jit
def activate(hidden: Any, biases: Any) -> None:
    """Add biases and cut at 0, in place, of shape ``(candidates, hidden)``."""
    for n in range(hidden.shape[0]):
        for h in range(hidden.shape[1]):
            sum_ = hidden[n, h] + biases[h]
            hidden[n, h] = sum_ if sum_ > 0 else np.float32(0)


@jit
def slopes(active: Any, error: Any, out: Any) -> None:
    """Turn activations into the slopes of the loss before them, in place."""
    for n in range(active.shape[0]):
        for h in range(active.shape[1]):
            active[n, h] = np.float32(active[n, h] > 0) * (error[n] * out[h])
