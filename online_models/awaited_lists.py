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
        The list's own in its micro-batch: what comes before is counted before.
    weight
        Of the event.
    """

    target: int
    history: Rows
    earlier: Rows
    barred: Sequence[int]
    slots: Rows
    size: int
    now_ms: int
    event: int = 0
    weight: float = 1.0

    @property
    def readable(self) -> bool:
        """Whether the encoder has anything to read."""
        return bool(len(self.history) or len(self.earlier))


def padded(rows: Sequence[Rows], width: int) -> Rows:
    """Return rows one below the other, padded with -1, of shape ``(len(rows), width)``."""
    table = np.full((len(rows), width), UNKNOWN, dtype=np.int64)
    for n, own in enumerate(rows):
        if len(own):
            table[n, : len(own)] = own
    return table


class Joined(NamedTuple):
    """Rows of several lists one after another, and where those of each list end."""

    rows: Rows
    ends: Rows


def joined(rows: Sequence[Sequence[int] | Rows]) -> Joined:
    """Return rows one after another."""
    flat = [row for own in rows for row in own]
    ends = np.cumsum([len(own) for own in rows])
    return Joined(np.array(flat, dtype=np.int64), ends)
