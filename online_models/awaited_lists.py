"""Lists that are still to be made: a micro-batch's queries are read, and scored, all at once.

The encoder does not learn before the micro-batch ends, so that lists may wait until then for what
it says. What was counted must be as it was before each list's own event: the events in between are
counted as the lists are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from online_models.items import UNKNOWN
from online_models.rows import Rows

Floats = npt.NDArray[np.float32]


class Awaited(NamedTuple):
    """What a list is made of, in the model's own terms, as the model was when it was asked for.

    Parameters
    ----------
    target
        The row that was chosen.
    history, earlier
        Rows of the unit, and of the user's other units, newest first.
    barred
        Rows that must not be candidates, in any order.
    slots
        Of the context's followed values.
    size
        How many rows the item table used.
    now_ms
        The time of the stream.
    event
        The list's own of those that are to be counted: what comes before is counted before.
    weight
        Of the event.
    """

    target: int
    history: list[int]
    earlier: list[int]
    barred: list[int]
    slots: Rows
    size: int
    now_ms: int
    event: int
    weight: float

    @property
    def readable(self) -> bool:
        """Whether the encoder has anything to read."""
        return bool(len(self.history) or len(self.earlier))


class Joined(NamedTuple):
    """Rows of several lists one after another, and where those of each list end."""

    rows: Rows
    ends: Rows

    def pad(self, table: Rows) -> None:
        """Write each list's rows to a row of a table, and -1 behind them."""
        table[:] = UNKNOWN
        lengths = np.diff(self.ends, prepend=0)
        starts = np.repeat(self.ends - lengths, lengths)
        owners = np.repeat(np.arange(len(lengths)), lengths)
        table[owners, np.arange(len(self.rows)) - starts] = self.rows


def joined(lists: Sequence[Sequence[int]]) -> Joined:
    """Return rows one after another."""
    rows = np.array([row for one in lists for row in one], dtype=np.int64)
    return Joined(rows, np.cumsum([len(one) for one in lists]))


def joined_arrays(lists: Sequence[Rows]) -> Joined:
    """Return the rows of arrays one after another."""
    return Joined(np.concatenate(lists), np.cumsum([len(one) for one in lists]))
