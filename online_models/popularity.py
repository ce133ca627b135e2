"""What is popular, on several horizons at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from online_models.agreed import ESTABLISHED
from online_models.decay import FOREVER, Landmarks
from online_models.derived import Derived
from online_models.rows import Mask, Rows, distinct
from online_models.tables import Table

MAX_TOUCHES = 100_000
"""How many touched rows are kept while nobody asks; beyond, the lists are made anew."""

TRUST = 5.0
"""How sharply the blend prefers horizons that did better, for each nat per event."""


class Popularity:
    """Decayed counts of items, one channel for each half-life, and the top items of each.

    Under forward decay the order of untouched items never changes, so the top lists are kept by
    merging them with the rows touched since: exact, and independent of the catalogue's size.

    For one score of popularity alone, each horizon weighs by how likely it held the events of late
    (a tempered mixture), which finds out by itself whether a stream is news or a shop.

    Parameters
    ----------
    half_lives_ms
        One for each horizon.
    top
        The length of a horizon's list: the first ``held`` of its row in ``tops``.

    Attributes
    ----------
    changes
        How many times counts changed: whether any did is told at once by it.
    least
        The least count on the last horizon of who is established.
    """

    def __init__(self, half_lives_ms: Sequence[float], *, top: int = 120) -> None:
        horizons = len(half_lives_ms)
        self.counts = Table("popularity.counts", (horizons,))
        self.totals = Table("popularity.totals", (1, horizons), by_row=False)
        self.landmarks = Landmarks("popularity", half_lives_ms, (self.counts, self.totals))
        self.evidence = Table("popularity.evidence", (horizons,), dtype=np.float64, by_row=False)
        self.tables = (self.counts, self.totals, self.evidence, self.landmarks.table)
        self.top = top
        self.tops = np.full((horizons, top), -1, dtype=np.int64)
        self.held = np.zeros(horizons, dtype=np.int64)
        self.changes = 0
        self.least = np.float32(ESTABLISHED if half_lives_ms[-1] == FOREVER else 2.0**-100)
        self._established = np.zeros(0, dtype=bool)
        self._touched: list[Rows] = []
        self._touches = 0
        self._all_touched = False
        self._mixture = Derived(_mixture)
        self._leading = Derived(self._led)

    def touch(self, rows: Rows) -> None:
        """Tell which rows' counts grew; who keeps the lists by itself (``counting``) need not."""
        self.changes += 1
        self._touched.append(rows)
        self._touches += len(rows)
        if self._touches > MAX_TOUCHES:
            self._touched.clear()
            self._touches, self._all_touched = 0, True

    def touch_all(self) -> None:
        """Tell that counts changed in other ways than by growing."""
        self.changes += 1
        self._all_touched = True

    @property
    def established(self) -> Mask:
        """Which rows had events of weight ``ESTABLISHED`` in all, after ``refresh``.

        Where the last horizon forgets, they are those that it has not forgotten.
        """
        missing = len(self.counts.array) - len(self._established)
        if missing > 0:
            self._established = np.append(self._established, np.zeros(missing, dtype=bool))
        return self._established

    def lists(self) -> list[Rows]:
        """Return the rows of each horizon's top items, best first; ties go to the lower row."""
        self.refresh()
        return self._present()

    def leading(self, count: int) -> Rows:
        """Return the rows that are among the first ``count`` of any list, in rising order.

        The array is nobody's to write.
        """
        self.refresh()
        return self._leading.of(self.tops, self.held.tobytes(), count)

    def refresh(self) -> None:
        """Bring ``tops``, ``held`` and ``established`` up to date."""
        if self._all_touched:
            self._rank(np.arange(len(self.counts.array)))
        elif self._touched:
            self._rank(distinct(np.concatenate([*self._present(), *self._touched])))
        self._touched.clear()
        self._touches, self._all_touched = 0, False

    def _present(self) -> list[Rows]:
        return [own[:held] for own, held in zip(self.tops, self.held.tolist(), strict=True)]

    def _led(self, _tops: Rows, _held: bytes, count: int) -> Rows:
        return distinct(np.concatenate([rows[:count] for rows in self._present()]))

    def _rank(self, rows: Rows) -> None:
        """Let each horizon take its best among rows in rising order."""
        counts = self.counts.array[rows]
        self.established[rows] = counts[:, -1] >= self.least
        for horizon in range(len(self.held)):
            own = counts[:, horizon]
            least = np.float32(0)
            if len(own) > self.top:
                least = np.partition(own, len(own) - self.top)[-self.top]
            places = np.flatnonzero((own >= least) & (own > 0))
            best = np.argsort(-own[places], kind="stable")[: self.top]
            self.held[horizon] = len(best)
            self.tops[horizon, : len(best)] = rows[places[best]]

    def shares(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Return each row's share of all events on each horizon, of shape ``(rows, horizons)``."""
        totals = np.maximum(self.totals.array[0], np.float32(1e-30))
        shares: npt.NDArray[np.float32] = self.counts.array.take(rows, axis=0) / totals
        return shares

    def blend(self, shares: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return one score of popularity alone for each row of ``(n, horizons)``."""
        blended: npt.NDArray[np.float32] = shares @ self._mixture.of(self.evidence.array)
        return blended


def _mixture(evidence: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return what each horizon weighs in the blend."""
    evidence = TRUST * evidence
    weights = np.exp(evidence - evidence.max())
    mixture: npt.NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
    return mixture
