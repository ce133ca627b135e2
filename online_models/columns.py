"""A copy of vectors that is read faster when many of them meet one query."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models.rows import NO_ROWS, Mask
from online_models.tables import Table

Floats = npt.NDArray[np.float32]

ROOM = 8
"""Room for one more row of so many is left at a copy: an outgrown one is made anew."""
LINE = 16
"""Numbers in a line of the cache. Two dimensions are an odd number of lines apart: were it a power
of two, all numbers of a vector would share one place in the cache."""


class Columns:
    """Some of a table's vectors with one row for each dimension, for products with all at once.

    A product that adds one dimension after the other to all sums reads memory as fast as it comes;
    one that adds up along each vector does not. The copy is made at the first ``refresh``, and
    takes an eighth more memory than the vectors that are wanted. Later ones copy what is new among
    them, and what the table calls stale, which is little: what was trained or published since.

    Parameters
    ----------
    vectors
        The live table; nobody else may keep a copy of it.

    Attributes
    ----------
    rows
        Whose vectors the columns are, of shape ``(columns,)``: in no order.
    """

    def __init__(self, vectors: Table) -> None:
        self.vectors, self.rows = vectors, NO_ROWS
        self._columns = np.zeros((0, 0), dtype=np.float32)
        self._held: Mask = np.zeros(0, dtype=bool)
        self._places = NO_ROWS
        self._read = 0, 0

    def refresh(self, wanted: Mask, changes: int) -> None:
        """Hold the wanted rows' vectors, as they are now.

        Parameters
        ----------
        wanted
            Of each of the table's rows, whether its vector is.
        changes
            Another number than the last time where others are wanted than then.
        """
        stale, read = self.vectors.stale, (self.vectors.writes, changes)
        if stale is None:
            self._copy(wanted)
        elif self._read != read:
            self._mend(wanted, stale)
        self._read = read

    def product(self, queries: Floats) -> Floats:
        """Return the products of a query, or of several, with each column.

        They differ from those of the vectors themselves in the last bits, being added up in another
        order.
        """
        products: Floats = queries @ self._columns[:, : len(self.rows)]
        return products

    def forget(self) -> None:
        """Give the memory back until the next refresh."""
        self.vectors.stale, self.rows = None, NO_ROWS
        self._columns = np.zeros((0, 0), dtype=np.float32)

    def _copy(self, wanted: Mask) -> None:
        vectors, self.rows, self._held = self.vectors.array, np.flatnonzero(wanted), wanted.copy()
        size = len(self.rows)
        lines = -(-(size + size // ROOM) // LINE) | 1
        self._columns = np.empty((vectors.shape[1], lines * LINE), dtype=np.float32)
        self._columns[:, :size] = vectors[self.rows].T
        self._places = np.empty(len(vectors), dtype=np.int64)
        self._places[self.rows] = np.arange(size)
        self.vectors.stale = ~wanted

    def _mend(self, wanted: Mask, stale: Mask) -> None:
        """Take new rows in, which are all stale, and copy what is; made anew where some left."""
        new = np.flatnonzero(wanted != self._held)
        if len(new):
            size = len(self.rows) + len(new)
            if self._held[new].any() or size > self._columns.shape[1]:
                self._copy(wanted)
                return
            self._places[new] = np.arange(len(self.rows), size)
            self._held[new] = True
            self.rows = np.concatenate([self.rows, new])
        moved = np.flatnonzero(stale & wanted)
        self._columns[:, self._places[moved]] = self.vectors.array[moved].T
        stale[moved] = False
