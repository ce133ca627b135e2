"""Prequential evaluation: every event is predicted before it is learnt.

References
----------
A. P. Dawid: Statistical Theory: The Prequential Approach. JRSS A 147(2), 1984.
J. Gama, R. Sebastião, P. P. Rodrigues: On evaluating stream learning algorithms. Machine Learning
90, 2013. https://doi.org/10.1007/s10994-012-5320-9
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import numpy.typing as npt

from online_models.items import ItemTable
from online_models.metrics import ranking_metrics
from online_models.recommender import Ranking
from schemas.examples import Example

REPORTED_SOURCES = ("popularity", "rules", "encoder")


class Evaluator:
    """Notes the rank of the true next item in the slate as it stands just before the event.

    Of sessions the first event is not scored, of users it is. A target that is excluded, or not
    known to the model, is a miss. Memory grows by about 150 bytes for each prediction,
    and as much for each unit.

    Parameters
    ----------
    items
        The model's, to find the targets in.
    unit
        ``session`` or ``user``.
    top
        The length of the slates.
    score_every
        Score every n-th unit by order of first appearance.
    warm_up
        The share of the events, at the beginning, whose predictions are not reported.
    """

    def __init__(
        self,
        items: ItemTable,
        *,
        unit: str = "session",
        top: int = 20,
        score_every: int = 1,
        warm_up: float = 0.1,
    ) -> None:
        if score_every < 1:
            raise ValueError(f"score_every is {score_every}, it must be at least 1")
        if not 0 <= warm_up < 1:
            raise ValueError(f"warm_up is {warm_up}, it must lie in [0, 1)")
        if top < 1:
            raise ValueError(f"top is {top}, it must be at least 1")
        self.items, self.unit, self.top = items, unit, top
        self.score_every, self.warm_up = score_every, warm_up
        self.events = 0
        self._units: dict[str, bool] = {}  # whether they are scored
        self._places = array("q")
        self._ranks = array("q")
        self._candidate = array("b")
        self._by_source = {name: array("q") for name in REPORTED_SOURCES}
        self._shown: list[npt.NDArray[np.int32]] = []

    def wants(self, example: Example) -> bool:
        """Count an event, and return whether it is to be predicted."""
        self.events += 1
        key = example.query.unit_key
        if example.weight <= 0:
            return False
        # Out of order, a second event can open a unit: it has its number already.
        if example.opens_unit and key not in self._units:
            self._units[key] = len(self._units) % self.score_every == 0
        return self._units.get(key, False) and (self.unit == "user" or not example.opens_unit)

    def observe(self, example: Example, ranking: Ranking) -> None:
        """Note where the target stands."""
        rows = ranking.candidates.rows
        row = self.items.row_of(example.item_id)
        place = int(np.searchsorted(rows, row))
        found = row >= 0 and place < len(rows) and bool(rows[place] == row)
        slate = ranking.top(self.top)
        self._places.append(self.events - 1)
        self._candidate.append(found)
        self._ranks.append(_rank(slate, place) if found else 0)
        for name, ranks in self._by_source.items():
            ranks.append(_rank(ranking.top_by(name, self.top), place) if found else 0)
        self._shown.append(rows[slate].astype(np.int32))

    def report(self) -> dict[str, Any]:
        """Return all figures, as ``rillrec replay --json`` prints them."""
        places = np.array(self._places, dtype=np.int64)
        warm = places >= self.warm_up * self.events
        late = warm & (places >= self.events / 2)
        ranks = np.array(self._ranks, dtype=np.int64)
        shown = [rows for rows, kept in zip(self._shown, warm, strict=True) if kept]
        distinct = len(np.unique(np.concatenate(shown))) if shown else 0
        recall = float(np.array(self._candidate)[warm].mean()) if warm.any() else 0.0
        return {
            "scored": int(warm.sum()),
            "metrics": ranking_metrics(ranks[warm]),
            "metrics_last_half": ranking_metrics(ranks[late]),
            "by_source": {
                name: ranking_metrics(np.array(by, dtype=np.int64)[warm])
                for name, by in self._by_source.items()
            },
            "candidate_recall": round(recall, 4),
            "coverage": round(distinct / max(1, len(self.items)), 4),
        }


def _rank(slate: npt.NDArray[np.int64], place: int) -> int:
    """Return where a candidate stands in a slate, from 1; 0 where it does not."""
    found = np.flatnonzero(slate == place)
    return int(found[0]) + 1 if len(found) else 0
