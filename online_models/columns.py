"""A copy of vectors that is read faster when many of them meet one query."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models.rows import NO_ROWS, Mask, Rows
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
        """Let rows go and come, and copy what is stale: who comes is. Made anew where none fit."""
        changed = np.flatnonzero(wanted != self._held)
        if len(changed):
            gone, come = changed[self._held[changed]], changed[wanted[changed]]
            if len(self.rows) + len(come) - len(gone) > self._columns.shape[1]:
                self._copy(wanted)
                return
            self._swap(gone, come)
            stale[gone] = True  # should they come back
            self._held[changed] = wanted[changed]
        moved = np.flatnonzero(stale & wanted)
        self._columns[:, self._places[moved]] = self.vectors.array[moved].T
        stale[moved] = False

    def _swap(self, gone: Rows, come: Rows) -> None:
        """Give the columns of some rows to others; the last ones move where fewer come."""
        holes, taken = self._places[gone], min(len(gone), len(come))
        rows = np.concatenate([self.rows, come[taken:]])
        self._places[come] = np.append(holes[:taken], np.arange(len(self.rows), len(rows)))
        rows[holes[:taken]] = come[:taken]
        holes = holes[taken:]
        size = len(rows) - len(holes)
        last = np.setdiff1d(np.arange(size, len(rows)), holes)
        holes = holes[holes < size]
        self._columns[:, holes] = self._columns[:, last]
        self._places[rows[last]] = holes
        rows[holes] = rows[last]
        self.rows = rows[:size]
