"""The vectors of items without an event, compiled: those of the items most alike."""

from __future__ import annotations

from typing import Any

from online_models.compiled import jit
from online_models.content_kernels import alike, like, unlike
from online_models.selection_kernels import cut


@jit
def follow(
    rows: Any,
    added: Any,
    catalogue: Any,
    counts: Any,
    most: int,
    liked: Any,
    lookup: Any,
    tables: Any,
    followed: Any,
) -> None:
    """Give each row the mean vectors of the tried items most alike, by their likeness.

    Parameters
    ----------
    rows
        Of items without an event.
    added
        What each word of theirs adds to what they like, of shape ``(rows, words)``.
    counts
        Popularity's, by the longest horizon.
    most
        Of how many items.
    liked, lookup
        As ``alike`` takes them.
    tables
        Of vectors, by row.
    followed
        Gets whether a row found anybody, of shape ``(rows,)``.
    """
    for n in range(len(rows)):
        words = like(rows[n : n + 1], added[n : n + 1], catalogue.words, liked)
        others, likeness, new = alike(words, catalogue, counts, liked, lookup)
        unlike(words, liked)
        others, likeness = others[new:], likeness[new:]
        best = cut(likeness, others, len(others), most)
        followed[n] = best > 0
        if best:
            shares = likeness[:best] / likeness[:best].sum()
            for table in tables:
                _mix(table, others[:best], shares, rows[n])


@jit
def _mix(table: Any, rows: Any, shares: Any, to: int) -> None:
    """Write the mean vector of rows to a row that is none of them."""
    table[to] = 0
    for n in range(len(rows)):
        for d in range(table.shape[1]):
            table[to, d] += shares[n] * table[rows[n], d]
