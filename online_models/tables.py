"""Arrays that know which of their cells changed: the matter that models are made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from schemas.model_log import Put

MAX_PUT_BYTES = 2**20


class Table:
    """An array whose changed cells leave as log entries with absolute values.

    The first ``index_dims`` dimensions address a cell; the remaining ones are its value. Row tables
    (``by_row``) have a first dimension that grows with the item table and is reset, row by row,
    when items are evicted.

    Parameters
    ----------
    name
        As entries name it: ``model.part``.
    shape
        Without the row dimension for row tables, whole otherwise.
    fill
        The value of a cell that nobody wrote. Not sent in snapshots.
    learner_only
        Scorers skip it: optimizer state, frequency estimates.
    sparse
        Of its cells snapshots hold those that somebody wrote, as they do of row tables.

    Attributes
    ----------
    dirty
        Which cells have not left yet since they changed.
    stale
        Which rows changed since they were copied; ``None`` where nobody keeps a copy, or all of it
        is to be made anew.
    writes
        How many times rows became stale: whether any did is told at once by it.
    """

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        *,
        dtype: npt.DTypeLike = np.float32,
        fill: float = 0,
        by_row: bool = True,
        index_dims: int = 1,
        learner_only: bool = False,
        sparse: bool = False,
    ) -> None:
        self.name, self.fill, self.by_row = name, fill, by_row
        self.index_dims, self.learner_only, self.sparse = index_dims, learner_only, sparse
        full = (0, *shape) if by_row else shape
        self.array = np.zeros(full, dtype=np.dtype(dtype).newbyteorder("<"))
        if fill:  # zeros take no memory before they are written
            self.array[...] = fill
        self.dirty = np.zeros(full[:index_dims], dtype=bool)
        self.stale: npt.NDArray[np.bool_] | None = None
        self.writes = 0
        self._cell = full[index_dims:]

    def grow(self, capacity: int) -> None:
        """Make room for so many rows; rows that exist keep their values."""
        if not self.by_row or capacity <= len(self.array):
            return
        known, former, marked = len(self.array), self.array, self.dirty
        self.array = np.zeros((capacity, *former.shape[1:]), dtype=former.dtype)
        self.array[:known] = former
        if self.fill:  # zeros take no memory before they are written
            self.array[known:] = self.fill
        self.dirty = np.zeros((capacity, *marked.shape[1:]), dtype=bool)
        self.dirty[:known] = marked
        self.stale = None

    def reset(self, rows: npt.NDArray[np.int64]) -> None:
        """Give rows their fill value back. Both sides of the log do so by themselves."""
        if self.by_row:
            self.array[rows] = self.fill
            self.dirty[rows] = False
            self._outdate(rows)

    def scale(self, channel: int, exponent: int) -> None:
        """Divide one channel of all cells by a power of two. Both sides of the log do so."""
        values = self.array[..., channel]
        np.ldexp(values, -exponent, out=values)
        self.stale = None

    def mark(self, rows: int | npt.NDArray[np.int64]) -> None:
        """Call all cells of rows changed."""
        self.dirty[rows] = True
        self._outdate(rows)

    def mark_all(self) -> None:
        """Call every cell changed: for small tables that change as a whole."""
        self.dirty[...] = True
        self.stale = None

    def collect(self) -> Iterator[Put]:
        """Yield what changed since the last call, and call it unchanged."""
        index = np.flatnonzero(self.dirty)
        yield from self.puts(index)
        self.dirty.reshape(-1)[index] = False

    def snapshot(self, rows: int) -> Iterator[Put]:
        """Yield what differs from the fill value in the first rows; dense tables whole."""
        if not (self.by_row or self.sparse):
            yield from self.puts(np.arange(self.dirty.size))
            return
        array = self.array[:rows] if self.by_row else self.array
        cells = array.reshape((-1, *self._cell))
        differs = cells != self.fill
        differs = differs.any(axis=tuple(range(1, differs.ndim)))
        yield from self.puts(np.flatnonzero(differs))

    def put(self, entry: Put) -> npt.NDArray[np.int64]:
        """Take over absolute values; return the cells, flat.

        Raises
        ------
        ValueError
            The entry does not fit the table.
        """
        index = np.frombuffer(entry.index, dtype="<i8")
        values = np.frombuffer(entry.values, dtype=self.array.dtype)
        cells = self.array.reshape((-1, *self._cell))
        if len(index) and int(index.max()) >= len(cells):
            raise ValueError(f"table {self.name} has {len(cells)} cells, entry names more")
        cells[index] = values.reshape((len(index), *self._cell))
        self.dirty.reshape(-1)[index] = False  # whoever reads the log has it already
        if self.stale is not None:
            self._outdate(index // self.dirty[0].size)
        return index.astype(np.int64)

    def puts(self, index: npt.NDArray[np.int64]) -> Iterator[Put]:
        """Yield the values of cells, by their flat index, whether they changed or not."""
        cells = self.array.reshape((-1, *self._cell))
        cell_bytes = 8 + self.array.dtype.itemsize * int(np.prod(self._cell, dtype=np.int64))
        most = max(1, MAX_PUT_BYTES // cell_bytes)
        for start in range(0, len(index), most):
            part = index[start : start + most]
            yield Put(self.name, part.astype("<i8").tobytes(), cells[part].tobytes())

    def _outdate(self, rows: int | npt.NDArray[np.int64]) -> None:
        if self.stale is not None:
            self.stale[rows] = True
            self.writes += 1
