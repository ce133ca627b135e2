"""The examples of a micro-batch, as arrays of rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from online_models.contexts import MOST
from online_models.items import UNKNOWN
from online_models.joined_kernels import joined, joined_arrays, pad
from online_models.rows import Rows
from schemas.model_config import ModelConfig


class Taken(NamedTuple):
    """An example in the model's own terms.

    Parameters
    ----------
    target
        The row that was chosen; -1 where it has none.
    history, earlier
        Rows of the unit, and of the user's other units, newest first.
    asked, slots
        Of the query's context, and of the event's own.
    weight, time_ms
        With which, and when, it counts.
    size
        How many rows the item table uses.
    """

    target: int
    history: list[int]
    earlier: list[int]
    asked: Rows
    slots: Rows
    weight: float
    time_ms: int
    size: int


class Gathered:
    """Takes examples in, and writes them to arrays several at a time: each write has its price.

    Parameters
    ----------
    size
        Of the micro-batch.

    Attributes
    ----------
    targets, histories, earlier, asked, slots, weights, times_ms, sizes
        What examples hold, one below the other, padded with -1; true up to the last ``write``.
    """

    def __init__(self, size: int, config: ModelConfig) -> None:
        self.targets = np.full(size, UNKNOWN, dtype=np.int64)
        self.histories = np.full((size, config.learning_window), UNKNOWN, dtype=np.int64)
        self.earlier = np.full((size, config.encoder_window), UNKNOWN, dtype=np.int64)
        self.asked = np.full((size, MOST), UNKNOWN, dtype=np.int64)
        self.slots = np.full((size, MOST), UNKNOWN, dtype=np.int64)
        self.weights = np.zeros(size, dtype=np.float32)
        self.times_ms = np.zeros(size, dtype=np.float64)
        self.sizes = np.zeros(size, dtype=np.int64)
        self._written = 0
        self._unwritten: list[Taken] = []

    def __len__(self) -> int:
        return self._written + len(self._unwritten)

    def add(self, taken: Taken) -> None:
        """Take an example in."""
        self._unwritten.append(taken)

    def clear(self) -> None:
        """Forget all."""
        self._written, self._unwritten = 0, []

    def write(self) -> None:
        """Bring the arrays up to date."""
        if not self._unwritten:
            return
        part = slice(self._written, len(self))
        targets, histories, earlier, asked, slots, weights, times_ms, sizes = zip(
            *self._unwritten, strict=True
        )
        self.targets[part], self.weights[part] = targets, weights
        self.times_ms[part], self.sizes[part] = times_ms, sizes
        pad(joined(histories), self.histories[part])
        pad(joined(earlier), self.earlier[part])
        pad(joined_arrays(asked), self.asked[part])
        pad(joined_arrays(slots), self.slots[part])
        self._written, self._unwritten = len(self), []
