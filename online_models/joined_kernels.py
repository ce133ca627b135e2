"""Rows of several lists, one after another: an array of all costs hardly more than one of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from online_models.compiled import jit
from online_models.rows import Rows


class Joined(NamedTuple):
    """Rows one after another, and where those of each list end."""

    rows: Rows
    ends: Rows


def joined(lists: Sequence[Sequence[int]]) -> Joined:
    """Return rows one after another."""
    rows = np.array([row for one in lists for row in one], dtype=np.int64)
    return Joined(rows, np.array([len(one) for one in lists]).cumsum())


def joined_arrays(lists: Sequence[Rows]) -> Joined:
    """Return the rows of arrays one after another."""
    return Joined(np.concatenate(lists), np.array([len(one) for one in lists]).cumsum())


@jit
def pad(joined: Any, table: Any) -> None:
    """Write each list's rows to a row of a table, and -1 behind them."""
    start = 0
    for n in range(len(table)):
        length = joined.ends[n] - start
        table[n, :length] = joined.rows[start : start + length]
        table[n, length:] = -1
        start += length
