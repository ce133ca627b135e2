"""Maximal marginal relevance: the next item is good, and unlike those above it.

References
----------
J. Carbonell, J. Goldstein: The Use of MMR, Diversity-Based Reranking for Reordering Documents and
Producing Summaries. SIGIR 1998. https://doi.org/10.1145/290941.291025
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models.facets import NONE
from online_models.rows import Rows

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int32]
MOST = 200
"""How many of the best are rearranged, or 2 * count if that is more: the rest stays behind them."""


def diversified(
    order: Rows, scores: Floats, vectors: Floats, categories: Codes, *, diversity: float, count: int
) -> Rows:
    """Return an order in which each next item maximises ``(1 - d) * score - d * likeness``.

    Scores are brought to [0, 1] over the best, so that they compare with likeness. The likeness of
    two items is the cosine of their vectors, 0 at least; where both have a category, its mean with
    whether they share it. Of a candidate its greatest one to those placed counts.

    Parameters
    ----------
    order
        Places of candidates, best first.
    scores, vectors, categories
        Of all candidates, of shapes ``(n,)``, ``(n, dimensions)`` and ``(n,)``.
    diversity
        ``d``, within 0 and 1; ``1 - d`` is the paper's lambda.
    count
        How many places are rearranged; the others follow in their old order.
    """
    pool = order[: max(MOST, 2 * count)]
    if diversity <= 0 or len(pool) < 3:
        return order
    relevance = _unit(np.nan_to_num(scores[pool], nan=-np.inf))
    units = _normalised(vectors[pool])
    own = categories[pool]
    likeness = np.zeros(len(pool), dtype=np.float32)
    open_ = np.ones(len(pool), dtype=bool)
    taken: list[int] = []
    for _ in range(min(count, len(pool))):
        gain = np.where(open_, (1 - diversity) * relevance - diversity * likeness, -np.inf)
        best = int(gain.argmax())
        taken.append(best)
        open_[best] = False
        np.maximum(likeness, _likeness(units, own, best), out=likeness)
    rest = np.flatnonzero(open_)
    return np.concatenate([pool[taken], pool[rest], order[len(pool) :]])


def _likeness(units: Floats, categories: Codes, best: int) -> Floats:
    cosines: Floats = np.maximum(units @ units[best], 0)
    if categories[best] == NONE:
        return cosines
    shared = (cosines + (categories == categories[best])) / 2
    likeness: Floats = np.where(categories == NONE, cosines, shared)
    return likeness


def _unit(scores: Floats) -> Floats:
    finite = scores[np.isfinite(scores)]
    if not len(finite):
        return np.zeros(len(scores), dtype=np.float32)
    low, high = float(finite.min()), float(finite.max())
    scaled: Floats = (np.clip(scores, low, high) - low) / max(high - low, 1e-12)
    return scaled


def _normalised(vectors: Floats) -> Floats:
    finite = np.nan_to_num(vectors, nan=0.0, posinf=0.0, neginf=0.0)
    norms = np.linalg.norm(finite, axis=1, keepdims=True)
    units: Floats = finite / np.maximum(norms, 1e-12)
    return units
