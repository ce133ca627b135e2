"""Decayed sequential rules: which items follow, and precede, which.

References
----------
M. Ludewig, D. Jannach: Evaluation of session-based recommendation algorithms. UMUAI 28, 2018.
https://doi.org/10.1007/s11257-018-9209-6 (sequential rules, SR)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from online_models.decay import Landmarks
from online_models.rows import find, firsts
from online_models.tables import Table

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
BACKWARD_SHARE = 0.5
RELAYS = 10
"""Neighbours whose own neighbours are heard. Twice as many tell hardly more, at twice the cost."""


class Rules:
    """Bounded neighbour lists with decayed counts, forward and backward kept apart.

    A pair of items, ``k`` steps apart in a unit, counts ``(1 + k) ** -0.5``. A source item's counts
    are divided by its total, plus one fresh event, to the power ``norm``, so that neither frequent
    items nor items seen once take over.

    Channels are ordered ``forward half-lives, backward half-lives``.

    Parameters
    ----------
    half_lives_ms
        One for each horizon.
    neighbours
        The length of an item's list; the weakest neighbour gives way to a new one.
    norm
        0 favours frequent sources, 1 makes all sources equal.
    """

    def __init__(
        self,
        half_lives_ms: Sequence[float],
        *,
        neighbours: int = 192,
        scoring_window: int = 10,
        norm: float = 0.75,
    ) -> None:
        channels = 2 * len(half_lives_ms)
        self.channels, self.norm, self.scoring_window = channels, norm, scoring_window
        self.ids = Table("rules.ids", (neighbours,), dtype=np.int32, fill=-1, index_dims=2)
        self.weights = Table("rules.weights", (neighbours, channels), index_dims=2)
        self.totals = Table("rules.totals", (channels,))
        self.landmarks = Landmarks("rules", half_lives_ms, (self.weights, self.totals))
        self.tables = (self.ids, self.weights, self.totals, self.landmarks.table)
        self.position_weights = (1.0 + np.arange(scoring_window, dtype=np.float32)) ** -1.0
        forward = np.ones(channels // 2, dtype=np.float32)
        self.mix = np.concatenate([forward, BACKWARD_SHARE * forward])

    def neighbours(self, history: Rows, now_ms: float) -> tuple[Rows, Floats]:
        """Return what follows a history.

        Parameters
        ----------
        history
            Rows, newest first.

        Returns
        -------
        rows, counts
            Neighbours in rising order, of shape ``(n,)``; their counts summed over the history,
            then those by the newest item alone, of shape ``(n, 2 * channels)``.
        """
        history = history[: self.scoring_window]
        rows, of, cells = self._entries(history)
        order = rows.argsort(kind="stable")  # of one row's entries the newest item's comes first
        rows, of = rows.take(order).astype(np.int64), of.take(order)
        scores = self._weights(cells.take(order))
        scores *= self.norms(history, now_ms).take(of, axis=0)  # (entries, channels)
        starts = firsts(rows).nonzero()[0]
        counts = np.empty((len(starts), 2 * self.channels), dtype=np.float32)
        if len(starts):
            np.add.reduceat(scores, starts, axis=0, out=counts[:, : self.channels])
            newest = (of.take(starts) == 0)[:, None]
            np.multiply(scores.take(starts, axis=0), newest, out=counts[:, self.channels :])
        return rows.take(starts), counts

    def norms(self, history: Rows, now_ms: float) -> Floats:
        """Return what the scoring window's counts are worth now, of shape ``(h, channels)``."""
        history = history[: self.scoring_window]
        return self._worth(history, self.position_weights[: len(history)], now_ms)

    def second_hand(self, rows: Rows, found: tuple[Rows, Floats], now_ms: float) -> Floats:
        """Return what the strongest neighbours' own rules say of rows, of shape ``(rows,)``.

        Who follows what follows a history, though nobody has seen them in one unit: of rare items
        that is often all there is to tell. Each of ``RELAYS`` neighbours has a say by its blend.

        Parameters
        ----------
        rows
            In rising order.
        found
            As ``neighbours`` returns it.
        """
        relays, worth = self.relays(found, now_ms)
        others, of, cells = self._entries(relays)
        places, held = find(others, rows)
        told = np.einsum("nc,nc->n", self._weights(cells[held]), worth.take(of[held], axis=0))
        return np.bincount(places[held], told, minlength=len(rows)).astype(np.float32)

    def relays(self, found: tuple[Rows, Floats], now_ms: float) -> tuple[Rows, Floats]:
        """Return the strongest neighbours, and what the counts in their own lists are worth.

        Of shapes ``(n,)`` and ``(n, channels)``; ``found`` is as ``neighbours`` returns it.
        """
        neighbours, counts = found
        blends = np.einsum("nc,c->n", counts[:, : self.channels], self.mix)  # ties remain ties
        best = (-blends).argsort(kind="stable")[:RELAYS]
        relays = neighbours.take(best)
        worth = self._worth(relays, blends.take(best), now_ms)
        worth *= self.mix
        return relays, worth

    def _entries(self, sources: Rows) -> tuple[Rows, Rows, Rows]:
        """Return the rows in the lists of sources, in whose list each is, and in which cell.

        Cells are those of all lists laid end to end.
        """
        length = self.ids.array.shape[1]
        ids = self.ids.array.take(sources, axis=0).reshape(-1)
        taken = (ids >= 0).nonzero()[0]
        of = taken // length
        ahead = (sources - np.arange(len(sources))) * length
        return ids.take(taken), of, taken + ahead.take(of)

    def _weights(self, cells: Rows) -> Floats:
        """Return the counts in cells, of shape ``(n, channels)``."""
        return self.weights.array.reshape(-1, self.channels).take(cells, axis=0)

    def _worth(self, sources: Rows, says: Floats, now_ms: float) -> Floats:
        """Return what the counts of sources are worth now, by the say that each of them has."""
        fresh = self.landmarks.fresh(now_ms, 2)  # for forward and backward
        worth: Floats = self.totals.array.take(sources, axis=0)
        worth /= fresh
        worth += 1
        worth **= -self.norm
        worth /= fresh
        worth *= says[:, None]
        return worth

    def blend(self, scores: Floats) -> Floats:
        """Return one score of the rules alone for each row of ``(n, channels)``."""
        blended: Floats = scores @ self.mix
        return blended

    def forget(self, rows: Rows) -> None:
        """Drop evicted rows from all lists."""
        evicted = np.zeros(len(self.ids.array) + 1, dtype=bool)  # the last one stands for -1
        evicted[rows] = True
        gone = evicted[self.ids.array]
        self.ids.array[gone] = -1
        self.weights.array[gone] = 0
