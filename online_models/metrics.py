"""Ranking metrics as the field defines them, of lists with any number of relevant items.

=========  ==========================================================================
figure     of one list, cut at ``k``; the mean over lists is what is reported
=========  ==========================================================================
hit rate   1 where a relevant item is in it
precision  relevant items in it, over ``k``
recall     relevant items in it, over all that are relevant
MRR        1 over the place of its first relevant item, 0 without one
MAP        precision at each relevant item's place, summed, over ``min(k, relevant)``
NDCG       ``1 / log2(place + 1)`` of relevant items, over the most that it could be
=========  ==========================================================================

A replay has one relevant item a list, the one that came next: there recall is the hit rate,
precision the hit rate over ``k``, and MAP is MRR.

References
----------
C. D. Manning, P. Raghavan, H. Schütze: Introduction to Information Retrieval, chapter 8. 2008.
https://nlp.stanford.edu/IR-book/
K. Järvelin, J. Kekäläinen: Cumulated gain-based evaluation of IR techniques. TOIS 20, 2002.
https://doi.org/10.1145/582415.582418
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def list_metrics(
    relevance: npt.NDArray[np.bool_], relevant: npt.NDArray[np.int64], k: int
) -> dict[str, Floats]:
    """Return the metrics of each list, each of shape ``(lists,)``.

    Parameters
    ----------
    relevance
        Whether the item at each place is relevant, best first, of shape ``(lists, places)``.
        A list that ends before ``k`` is filled with what is not.
    relevant
        How many items are relevant to each list, in it or not. A list without any has zeros.
    k
        Where lists are cut, at least 1.

    Raises
    ------
    ValueError
        ``k`` is below 1, or a list holds more relevant items than there are.

    Examples
    --------
    >>> figures = list_metrics(np.array([[True, False, True, False]]), np.array([2]), 4)
    >>> {name: round(float(value[0]), 4) for name, value in figures.items()}
    {'hr': 1.0, 'precision': 0.5, 'recall': 1.0, 'mrr': 1.0, 'map': 0.8333, 'ndcg': 0.9197}
    """
    if k < 1:
        raise ValueError(f"k is {k}, it must be at least 1")
    if (relevance.sum(axis=1) > relevant).any():
        raise ValueError("relevance marks more items of a list than relevant has")
    cut = relevance[:, :k].astype(np.float64)
    places = np.arange(1, cut.shape[1] + 1)
    found, possible = cut.sum(axis=1), np.minimum(relevant, k)
    precisions = cut.cumsum(axis=1) / places
    ideal = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(1, k + 1) + 1))])
    return {
        "hr": (found > 0).astype(np.float64),
        "precision": found / k,
        "recall": found / np.maximum(relevant, 1),
        "mrr": (cut / places).max(axis=1, initial=0.0),
        "map": (precisions * cut).sum(axis=1) / np.maximum(possible, 1),
        "ndcg": (cut / np.log2(places + 1)).sum(axis=1) / np.maximum(ideal[possible], 1e-300),
    }


def reciprocal_ranks(ranks: npt.NDArray[np.int64], k: int) -> Floats:
    """Return 1 over each rank from 1 to ``k``, 0 for the others, of the shape of ``ranks``."""
    within = (ranks > 0) & (ranks <= k)
    reciprocal: Floats = np.where(within, 1 / np.maximum(ranks, 1), 0.0)
    return reciprocal


def ranking_metrics(ranks: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return the metrics of lists with one relevant item each.

    Parameters
    ----------
    ranks
        The place of the relevant item in each list, from 1; 0 where it is not in it.

    Examples
    --------
    >>> figures = ranking_metrics(np.array([1, 2, 0, 20]))
    >>> [figures[name] for name in ("hr@10", "hr@20", "mrr@20", "ndcg@10", "precision@20")]
    [0.5, 0.75, 0.3875, 0.4077, 0.0375]
    """
    means: dict[str, float] = {}
    for k in (10, 20):
        reciprocal = reciprocal_ranks(ranks, k)
        hits = reciprocal > 0
        gains = np.where(hits, 1 / np.log2(np.maximum(ranks, 1) + 1), 0.0)
        means |= {f"hr@{k}": _mean(hits), f"mrr@{k}": _mean(reciprocal), f"ndcg@{k}": _mean(gains)}
        means |= {f"precision@{k}": _mean(hits) / k}
        means |= {f"recall@{k}": means[f"hr@{k}"], f"map@{k}": means[f"mrr@{k}"]}
    first = ("hr@10", "hr@20", "mrr@20", "ndcg@10")
    names = (*first, *sorted(means.keys() - set(first)))
    return {name: round(means[name], 4) for name in names}


def _mean(values: npt.NDArray[np.bool_] | Floats) -> float:
    return float(values.mean()) if len(values) else 0.0
