"""What makes a good list, beside hits: diversity, and whom exposure goes to.

References
----------
C.-N. Ziegler et al.: Improving recommendation lists through topic diversification. WWW 2005.
https://doi.org/10.1145/1060745.1060754 (intra-list similarity)
P. Castells, N. Hurley, S. Vargas: Novelty and Diversity in Recommender Systems. Recommender Systems
Handbook, 2022. https://doi.org/10.1007/978-1-0716-2197-4_16 (self-information, Gini)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def vector_diversity(vectors: npt.NDArray[np.float32]) -> float:
    """Return the mean cosine distance of pairs, 0 to 2; NaN without a pair.

    Parameters
    ----------
    vectors
        Of shape ``(items, dimensions)``. One of length 0 is at distance 1 of all others.

    Examples
    --------
    >>> round(vector_diversity(np.array([[1, 0], [0, 2], [3, 0]], dtype=np.float32)), 4)
    0.6667
    """
    count = len(vectors)
    if count < 2:
        return float("nan")
    squares = np.einsum("ij,ij->i", vectors, vectors)
    total = (np.maximum(squares, np.float32(1e-30)) ** np.float32(-0.5)) @ vectors
    # The square of a sum of unit vectors is all pairs' cosines, twice, and everyone's own.
    pairs = float(total @ total) - int(np.count_nonzero(squares))
    return 1 - pairs / (count * (count - 1))


def category_diversity(categories: Sequence[tuple[str, ...]]) -> float:
    """Return the mean Jaccard distance of pairs of items, 0 to 1; NaN without a pair.

    Items without a category are left out.

    Examples
    --------
    >>> category_diversity([("jazz",), ("jazz", "blues"), (), ("chess",)])
    0.8333333333333334
    """
    known = [one for one in categories if one]
    if len(known) < 2:
        return float("nan")
    names = {name: place for place, name in enumerate({name for one in known for name in one})}
    marks = np.zeros((len(known), len(names)))
    for marked, one in zip(marks, known, strict=True):
        marked[[names[name] for name in one]] = 1
    both, sizes = marks @ marks.T, marks.sum(axis=1)
    alike = both / (sizes[:, None] + sizes - both)
    count = len(known)
    return float(1 - (alike.sum() - count) / (count * (count - 1)))


def gini(exposures: npt.NDArray[np.int64]) -> float:
    """Return the Gini coefficient: 0 where all items are shown alike, towards 1 where one is.

    Examples
    --------
    >>> gini(np.array([3, 3, 3])), gini(np.array([0, 0, 0, 8]))
    (0.0, 0.75)
    """
    total, count = int(exposures.sum()), len(exposures)
    if not total:
        return 0.0
    places = np.arange(1, count + 1)
    return float((2 * places - count - 1) @ np.sort(exposures) / (count * total))
