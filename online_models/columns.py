"""A copy of vectors that is read faster when all of them meet one query."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models.tables import Table

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

ROOM = 8
"""Room for one more row of so many is left at a copy: an outgrown one is made anew."""
LINE = 16
"""Numbers in a line of the cache. Two dimensions are an odd number of lines apart: were it a power
of two, all numbers of a vector would share one place in the cache."""


class Columns:
    """A table's vectors with one row for each dimension, for products with all vectors at once.

    A product that adds one dimension after the other to all sums reads memory as fast as it comes;
    one that adds up along each vector does not. The copy is made at the first product, and takes an
    eighth more memory than the vectors that it is asked for. Later ones copy what the table calls
    stale, which is little: what was trained, published or evicted since.

    Parameters
    ----------
    vectors
        The live table; nobody else may keep a copy of it.
    """

    def __init__(self, vectors: Table) -> None:
        self.vectors = vectors
        self._columns = np.zeros((0, 0), dtype=np.float32)
        self._read = 0, 0  # the writes that it holds, and how many rows

    def product(self, query: Floats, size: int) -> Floats:
        """Return the products of a query with the first vectors, of shape ``(size,)``.

        They differ from those of the vectors themselves in the last bits, being added up in another
        order.
        """
        stale, written = self.vectors.stale, (self.vectors.writes, size)
        if stale is None or size > self._columns.shape[1]:
            self._copy(size)
        elif self._read != written:
            self._refresh(stale, size)
        self._read = written
        return query @ self._columns[:, :size]

    def forget(self) -> None:
        """Give the memory back until the next product."""
        self.vectors.stale = None
        self._columns = np.zeros((0, 0), dtype=np.float32)

    def _copy(self, size: int) -> None:
        vectors = self.vectors.array
        lines = -(-(size + size // ROOM) // LINE) | 1
        self._columns = np.empty((vectors.shape[1], lines * LINE), dtype=np.float32)
        self._columns[:, :size] = vectors[:size].T
        self.vectors.stale = np.arange(len(vectors)) >= size

    def _refresh(self, stale: Mask, size: int) -> None:
        rows = np.flatnonzero(stale[:size])
        self._columns[:, rows] = self.vectors.array[rows].T
        stale[rows] = False
