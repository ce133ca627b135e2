"""The session encoder, as the scorer runs it: a few gathers and one product in numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models.tables import Table

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Encoder:
    """Reads a unit's last items into a query vector; items answer with an output vector and a bias.

    ``query = sum_k softmax(positions)_k * input[history_k]``, the score of item ``i`` is
    ``output_i · query + bias_i``. There is no vector per user: a user is a history, so that the
    very last click counts at once.

    Parameters
    ----------
    dimensions
        Of the vectors.
    window
        How many of the last items are read, each with a learned weight.
    """

    def __init__(self, dimensions: int = 64, *, window: int = 30) -> None:
        self.dimensions, self.window = dimensions, window
        self.input = Table("encoder.input", (dimensions,))
        self.output = Table("encoder.output", (dimensions + 1,))
        self.positions = Table("encoder.positions", (window,), by_row=False)
        if not self.positions.array.any():
            self.positions.array[:] = -0.3 * np.arange(window)
        self.positions.mark_all()
        self.tables = (self.input, self.output, self.positions)

    def query(self, history: Rows) -> Floats:
        """Return the query vector of a history, rows newest first, of shape ``(dimensions + 1,)``.

        The last dimension is 1: it meets the bias in the output vectors.
        """
        history = history[: self.window]
        logits = self.positions.array[: len(history)]
        attention = np.exp(logits - logits.max())
        attention /= attention.sum()
        query = np.ones(self.dimensions + 1, dtype=np.float32)
        query[:-1] = attention @ self.input.array[history]
        return query

    def scores(self, query: Floats, rows: Rows) -> Floats:
        """Return the scores of rows, of shape ``(rows,)``."""
        return self.output.array[rows] @ query
