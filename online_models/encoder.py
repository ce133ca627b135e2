"""The session encoder, as the scorer runs it: a few gathers and one product in numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models.tables import Table

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

RECENT = 8_192
"""How many of the last positives are kept to draw negatives from."""
SLOPES = (0.1, 1.0, 0.1)
"""By how much each head's logits fall from item to item at the start."""
HEADS = len(SLOPES)
PARTS = 2
"""Of a history: the unit's items, and those of the user's other units."""
READS = np.array([0, 0, 1])
"""Which part each head reads."""
VECTORS, NEAR = 2, 1
"""Input vectors of an item, and which of them tells what it asks for just after it was chosen."""
USES = np.array([0, NEAR, 0])
"""Whose input vectors each head uses: taste is read with the same ones, now or earlier."""


class Encoder:
    """Reads a unit's last items into a query vector; items answer with an output vector and a bias.

    ``query = sum_h sum_k softmax(positions_h)_k * input_uses(h)[items_hk] + sum_c context_c``, the
    score of item ``i`` is ``output_i · query + bias_i``. One head reads all of the unit's items,
    one hardly more than the newest, with input vectors of its own, as what was clicked just now
    asks for something else than what once was. A third reads what the user chose earlier, in other
    units, with the vectors of the first. There is no vector per user: a user is a history, so that
    the very last click counts at once.

    Parameters
    ----------
    dimensions
        Of the vectors.
    window
        How many of the last items of each part are read, each with a learned weight.
    contexts
        Slots of ``Contexts``: each has a vector, that shifts the query where its value holds.
    """

    def __init__(self, dimensions: int = 96, *, window: int = 30, contexts: int = 1) -> None:
        self.dimensions, self.window = dimensions, window
        self.input = Table("encoder.input", (VECTORS, dimensions))
        self.output = Table("encoder.output", (dimensions + 1,))
        self.positions = Table("encoder.positions", (HEADS, window), by_row=False)
        self.positions.array[:] = -np.outer(SLOPES, np.arange(window))
        self.positions.mark_all()
        self.context = Table("encoder.context", (contexts, dimensions), by_row=False)
        self.context_energy = Table(
            "encoder.context_energy", (contexts,), by_row=False, learner_only=True
        )
        self.input_energy = Table("encoder.input_energy", (VECTORS,), learner_only=True)
        self.output_energy = Table("encoder.output_energy", (), learner_only=True)
        self.position_energy = Table(
            "encoder.position_energy", (HEADS, window), by_row=False, learner_only=True
        )
        self.recent = Table(
            "encoder.recent", (RECENT,), dtype=np.int64, fill=-1, by_row=False, learner_only=True
        )
        self.tables = (
            *(self.input, self.output, self.positions, self.recent),
            *(self.input_energy, self.output_energy, self.position_energy),
            *(self.context, self.context_energy),
        )
        self._pulls: tuple[Doubles, Doubles] | None = None
        self._read: dict[tuple[int, int], Floats] = {}  # one at most for each count of each part

    def query(self, history: Rows, earlier: Rows, slots: Rows) -> Floats:
        """Return the query vector of a history and a context, of shape ``(dimensions + 1,)``.

        The last dimension is 1: it meets the bias in the output vectors.

        Parameters
        ----------
        history
            Rows of the unit, newest first.
        earlier
            Rows of the user's other units, newest first.
        slots
            Of the context's values.
        """
        query = np.empty(self.dimensions + 1, dtype=np.float32)
        query[-1] = 1
        np.add.reduce(self.context.array.take(slots, axis=0), axis=0, out=query[:-1])
        for part, items in enumerate((history, earlier)):
            rows = items[: self.window]
            if len(rows):
                vectors = self.input.array.take(rows, axis=0)  # (rows, vectors, dimensions)
                query[:-1] += self._weights(part, len(rows)) @ vectors.reshape(-1, self.dimensions)
        return query

    def _weights(self, part: int, count: int) -> Floats:
        """Return what each vector of a part's items weighs, of shape ``(count * VECTORS,)``."""
        weights = self._read.get((part, count))
        if weights is None:
            by_vector = np.zeros((count, VECTORS), dtype=np.float32)
            for pulls, totals, own, vector in zip(*self.pulls(), READS, USES, strict=True):
                if own == part:
                    by_vector[:, vector] += pulls[:count] / totals[count - 1]
            weights = self._read[part, count] = by_vector.reshape(-1)
        return weights

    def pulls(self) -> tuple[Doubles, Doubles]:
        """Return the exponentials of the positions' logits and their running sums, by head."""
        if self._pulls is None:
            logits = self.positions.array.astype(np.float64)
            pulls = np.exp(logits - logits.max(axis=1, keepdims=True))
            self._pulls = pulls, np.cumsum(pulls, axis=1)
        return self._pulls

    def touch(self) -> None:
        """Tell that positions changed."""
        self._pulls = None
        self._read.clear()

    def scores(self, query: Floats, rows: Rows) -> Floats:
        """Return the scores of rows, of shape ``(rows,)``."""
        return self.output.array[rows] @ query

    def parts(self, earlier: Rows, row: int) -> Floats:
        """Return what each item of the user's other units adds to a row's score.

        ``earlier`` is as ``query`` takes it, no longer than the window; so is the result.
        """
        if not len(earlier):
            return np.zeros(0, dtype=np.float32)
        head, newest = READS.tolist().index(1), len(earlier)
        pulls, totals = (told[head] for told in self.pulls())
        attention = (pulls[:newest] / totals[newest - 1]).astype(np.float32)
        said = self.input.array[earlier, USES[head]] @ self.output.array[row, :-1]
        parts: Floats = attention * said
        return parts

    def forget(self, rows: Rows) -> None:
        """Draw evicted rows as negatives no more."""
        recent = self.recent.array
        recent[np.isin(recent, rows)] = -1

    def clear_context(self, slot: int) -> None:
        """Let a slot's vector start afresh: it stands for another value now."""
        for table in (self.context, self.context_energy):
            table.array[slot] = 0
            table.mark(slot)

    def welcome(self, row: int, generator: np.random.Generator) -> None:
        """Give a new item random vectors, of about length 1."""
        scale = np.float32(1 / np.sqrt(self.dimensions))
        draws = generator.standard_normal((VECTORS + 1, self.dimensions), dtype=np.float32) * scale
        self.input.array[row], self.output.array[row, :-1] = draws[:VECTORS], draws[VECTORS]
        self.input.mark(row)
        self.output.mark(row)
