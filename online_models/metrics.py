"""Ranking metrics of one relevant item per list, the way session-based papers define them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def ranking_metrics(ranks: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return hit rate, mean reciprocal rank and NDCG.

    Parameters
    ----------
    ranks
        The place of the relevant item in each list, from 1; 0 where it is not in it.

    Examples
    --------
    >>> ranking_metrics(np.array([1, 2, 0, 20]))
    {'hr@10': 0.5, 'hr@20': 0.75, 'mrr@20': 0.3875, 'ndcg@10': 0.4077}
    """
    if not len(ranks):
        return {"hr@10": 0.0, "hr@20": 0.0, "mrr@20": 0.0, "ndcg@10": 0.0}
    in_10, in_20 = (ranks > 0) & (ranks <= 10), (ranks > 0) & (ranks <= 20)
    places = np.maximum(ranks, 1)
    values = {
        "hr@10": in_10.mean(),
        "hr@20": in_20.mean(),
        "mrr@20": np.where(in_20, 1 / places, 0).mean(),
        "ndcg@10": np.where(in_10, 1 / np.log2(places + 1), 0).mean(),
    }
    return {name: round(float(value), 4) for name, value in values.items()}
