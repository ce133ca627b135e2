"""The ranker's passes over all candidates of a step, compiled.

Numpy would make a table of half a megabyte for each operation, which costs more than the sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from online_models.compiled import jit, jit_sums


@jit_sums
def tally(features: Any, ends: Any, mean: Any, sums: Any, squares: Any) -> None:
    """Add up how far features are from a mean, and the squares of that, list by list.

    ``sums`` and ``squares`` are of double precision, as they go on over the lists, that end where
    ``ends`` says.
    """
    width, n = features.shape[1], 0
    off, squared = np.empty(width, dtype=np.float32), np.empty(width, dtype=np.float32)
    for end in ends:
        off[:], squared[:] = 0, 0
        while n < end:
            for f in range(width):
                difference = features[n, f] - mean[f]
                off[f] += difference
                squared[f] += difference * difference
            n += 1
        for f in range(width):
            sums[f] += off[f]
            squares[f] += squared[f]


@jit
def standardise(features: Any, mean: Any, variance: Any, z: Any) -> None:
    """Write to ``z`` what ``Ranker.standardise`` returns."""
    precisions = 1 / np.sqrt(variance + np.float32(1e-6))
    most = np.float32(6)
    for n in range(features.shape[0]):
        for f in range(features.shape[1]):
            x = (features[n, f] - mean[f]) * precisions[f]
            x = x if x < most else most  # noqa: FURB136 - min and max would not be vectorised
            z[n, f] = x if x > -most else -most  # noqa: FURB136


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


@jit
def adam(
    gradient: Any,
    moments: Any,
    trained: Any,
    mean: Any,
    shares: Any,
    corrections: Any,
    rate: Any,
    mean_share: Any,
) -> None:
    """Take a step of Adam, and move the steps' running mean by its share.

    Parameters
    ----------
    moments
        Of shape ``(2, parameters)``.
    shares, corrections
        By how much each moment moves, and what of it is to be believed so far.
    """
    for n in range(len(gradient)):
        slope = gradient[n]
        moments[0, n] += shares[0] * (slope - moments[0, n])
        moments[1, n] += shares[1] * (slope * slope - moments[1, n])
        deviation = np.sqrt(moments[1, n] / corrections[1]) + np.float32(1e-8)
        trained[n] -= rate * (moments[0, n] / corrections[0]) / deviation
        mean[n] += mean_share * (trained[n] - mean[n])
