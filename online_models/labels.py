"""What the ranker learns of a labelled slate: a list of features, and how much the list counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.examples import Feedback

Floats = npt.NDArray[np.float32]
PROPENSITY_CAP = 10.0
"""A choice that was served against odds counts at most so many times: rare ones must not rule."""
LARGEST_FEATURE = 1e6
"""A producer's features beyond it would spoil the ranker's norms for good."""


def features_of(feedback: Feedback, width: int) -> Floats | None:
    """Return the features as they were served, of shape ``(items, width)``.

    ``None`` where items have none, or not the ranker's, or absurd ones.
    """
    served = [item.features for item in feedback.items]
    if any(len(features) != 4 * width for features in served):
        return None
    table = np.frombuffer(b"".join(served), dtype="<f4").reshape(len(served), width)
    if not np.abs(table).max() <= LARGEST_FEATURE:  # also false where one is no number
        return None
    return table.astype(np.float32, copy=False)


def weight_of(feedback: Feedback, factor: float = 1.0) -> float:
    """Return what the list counts: by its kind, and more where it was unlikely to be served.

    Weighting by the inverse propensity makes up for what the ranker chose to show: a position that
    one request in five is explored at counts five times.

    Parameters
    ----------
    factor
        What a choice at this place counts, as few look there: ``Examination.factor``.

    References
    ----------
    T. Joachims, A. Swaminathan, T. Schnabel: Unbiased Learning-to-Rank with Biased Feedback.
    WSDM 2017.
    """
    propensity = feedback.items[feedback.place].propensity
    return feedback.weight * min(factor / max(propensity, 1 / PROPENSITY_CAP), PROPENSITY_CAP)
