"""Sets of rows as arrays in rising order: a slate asks for many small ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]

NO_ROWS: Rows = np.zeros(0, dtype=np.int64)

LIST_BITS = 3
BIT = np.left_shift(1, np.arange(1 << LIST_BITS)).astype(np.uint8)
"""By which bit each of several lists is told."""


def distinct(rows: Rows) -> Rows:
    """Return rows in rising order, each once. On some hundreds, thrice as fast as ``np.unique``.

    Examples
    --------
    >>> distinct(np.array([3, 1, 3]))
    array([1, 3])
    """
    if len(rows) < 2:
        return rows
    ordered = np.sort(rows)
    return ordered[firsts(ordered)]


def firsts(ordered: Rows) -> Mask:
    """Return which of some rows in rising order are the first of their kind.

    Examples
    --------
    >>> firsts(np.array([1, 1, 3]))
    array([ True, False,  True])
    """
    first = np.empty(len(ordered), dtype=bool)
    first[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return first


def union(lists: Sequence[Rows]) -> tuple[Rows, Codes]:
    """Return the rows of up to 8 lists in rising order, each once, and by bits which lists hold it.

    The number of its list is sorted along with each row: that is cheaper than looking it up again.

    Examples
    --------
    >>> union([np.array([5, 1]), np.array([5])])
    (array([1, 5]), array([1, 3], dtype=uint8))
    """
    keys = np.concatenate(lists) << LIST_BITS
    keys |= np.arange(len(lists)).repeat([len(rows) for rows in lists])
    keys.sort()
    ordered = keys >> LIST_BITS
    starts = firsts(ordered).nonzero()[0]
    if not len(starts):
        return ordered, np.zeros(0, dtype=np.uint8)
    bits = BIT.take(keys & (len(BIT) - 1))
    return ordered.take(starts), np.bitwise_or.reduceat(bits, starts)


def member(rows: Rows, members: Rows) -> Mask:
    """Return which rows are among the members, which are in rising order.

    Examples
    --------
    >>> member(np.array([5, 1]), np.array([1, 2]))
    array([False,  True])
    """
    return find(rows, members)[1]


def find(rows: Rows, members: Rows) -> tuple[Rows, Mask]:
    """Return where rows are among the members, which are in rising order, and which of them are.

    Of those that are not, the place is where they would be.

    Examples
    --------
    >>> find(np.array([5, 2]), np.array([1, 2]))
    (array([2, 1]), array([False,  True]))
    """
    if not len(members):
        return np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=bool)
    places = members.searchsorted(rows)
    return places, members.take(places, mode="clip") == rows  # what is beyond all is none of them
