"""What each feature adds to a score: integrated gradients, exact for this network.

References
----------
M. Sundararajan, A. Taly, Q. Yan: Axiomatic Attribution for Deep Networks. ICML 2017.
https://arxiv.org/abs/1703.01365
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models.ranker import Ranker

Floats = npt.NDArray[np.float32]


def contributions(ranker: Ranker, features: Floats) -> tuple[npt.NDArray[np.float64], float]:
    """Return what each feature of one candidate adds to the score, and the score without them.

    The path leads from the mean of all features, 0 once standardised, to the candidate. The linear
    part adds ``z * linear``. A hidden unit's input changes evenly along the path, so that it is
    active on one stretch of it, and the integral is that stretch's length: no sampling. With the
    baseline the contributions sum up to the score.

    Parameters
    ----------
    features
        As ``online_models.features`` makes them, of shape ``(features,)``.
    """
    z = ranker.standardise(features).astype(np.float64)
    linear, weights, biases, out = (
        part.astype(np.float64) for part in ranker.parts(ranker.parameters.array)
    )
    active = _active_share(biases, z @ weights)
    added = z * linear + z * (weights @ (active * out))
    baseline = float(np.maximum(biases, 0) @ out)
    return added, baseline


def _active_share(
    start: npt.NDArray[np.float64], change: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return on which share of [0, 1] ``start + t * change`` is positive."""
    safe = np.where(change == 0, 1.0, change)
    crossing = np.clip(-start / safe, 0, 1)
    share = np.where(change > 0, 1 - crossing, crossing)
    flat: npt.NDArray[np.float64] = np.where(change == 0, start > 0, share)
    return flat
