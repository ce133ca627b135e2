"""Prequential evaluation: every event is predicted before it is learnt.

References
----------
A. P. Dawid: Statistical Theory: The Prequential Approach. JRSS A 147(2), 1984.
J. Gama, R. Sebastião, P. P. Rodrigues: On evaluating stream learning algorithms. Machine Learning
90, 2013. https://doi.org/10.1007/s10994-012-5320-9
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from online_models.evaluation.calibration import CandidateRecall, softmax_of
from online_models.evaluation.census import Census
from online_models.evaluation.contenders import DEFAULTS, Contender, contenders_of, rank_of
from online_models.evaluation.lagging import Lagging
from online_models.evaluation.predictions import Prediction, Predictions
from online_models.evaluation.report import Reported, report_of
from online_models.evaluation.slates import category_diversity, vector_diversity
from online_models.recommender import Ranking
from online_models.state import ModelState
from schemas.events import ANONYMOUS
from schemas.examples import Example

NAN = float("nan")


class Evaluator:
    """Notes the rank of the true next item in the slate as it stands just before the event.

    The first event of a user is scored with all others, that of a session is told apart: it is no
    *next* item, and the usual protocol of the field leaves it out. A target that is excluded, or
    not known to the model, is a miss. Memory grows by about 200 bytes for each prediction, and by
    100 to 150 for each unit, user and item.

    Parameters
    ----------
    state
        The model's: its items, to find the targets in, and its vectors.
    unit
        ``session`` or ``user``.
    top
        The length of the slates.
    score_every
        Score every n-th unit by order of first appearance.
    warm_up
        The share of the events, at the beginning, whose predictions are not reported.
    contenders
        What else ranks the same targets; the sources alone, where not given.
    seed
        Of the resamples that confidence is told by.
    """

    def __init__(
        self,
        state: ModelState,
        *,
        unit: str = "session",
        top: int = 20,
        score_every: int = 1,
        warm_up: float = 0.1,
        contenders: Sequence[Contender] | None = None,
        seed: int = 0,
    ) -> None:
        if score_every < 1:
            raise ValueError(f"score_every is {score_every}, it must be at least 1")
        if not 0 <= warm_up < 1:
            raise ValueError(f"warm_up is {warm_up}, it must lie in [0, 1)")
        if top < 1:
            raise ValueError(f"top is {top}, it must be at least 1")
        self.state, self.unit, self.top = state, unit, top
        self.score_every, self.warm_up, self.seed = score_every, warm_up, seed
        if contenders is None:
            contenders = contenders_of(DEFAULTS, state.items)
        self.contenders = contenders
        self.events = 0
        self.census = Census(state.items)
        names = [contender.name for contender in contenders]
        self.predictions, self.openings = Predictions(names), Predictions(names)
        self._recall = CandidateRecall()
        self._units: dict[str, int] = {}  # their numbers, in the order in which they were opened
        self._last: Example | None = None

    def wants(self, example: Example) -> bool:
        """Count an event, and return whether it is to be predicted."""
        self.events += 1
        if self._last is not None and self._last.weight > 0:
            self.census.count(self._last)
        self._last = example
        for contender in self.contenders:
            contender.see(example)
        key = example.query.unit_key
        if example.weight <= 0:
            return False
        # Out of order, a second event can open a unit: it has its number already.
        if example.opens_unit:
            self._units.setdefault(key, len(self._units))
        number = self._units.get(key, -1)
        return number >= 0 and number % self.score_every == 0

    def observe(self, example: Example, ranking: Ranking) -> None:
        """Note where the target stands, and what the slate is like."""
        rows = ranking.candidates.rows
        place = _place_of(rows, self.state.items.row_of(example.item_id))
        slate = ranking.top(self.top)
        shown = self.census.numbers_of(rows[slate])
        confidence, slate_confidence = _confidence(ranking, slate)
        prediction = Prediction(
            place=self.events - 1,
            unit=self._units[example.query.unit_key],
            rank=rank_of(slate, place),
            candidate=place >= 0,
            anonymous=example.query.user_id.startswith(ANONYMOUS),
            user_events=self.census.user_events(example.query),
            unit_events=len(example.query.history),
            item=self.census.number_of(example.item_id),
            item_age_ms=self.census.age_ms(example.item_id, example.time_ms),
            confidence=confidence,
            slate_confidence=slate_confidence,
            recall=self._recall_of(slate_confidence, candidate=place >= 0),
            diversity=vector_diversity(self.state.encoder.output.array[rows[slate]]),
            category_diversity=self._category_diversity(rows[slate]),
            novelty_bits=self.census.novelty_bits(shown),
        )
        ranks = {c.name: c.rank(example, ranking, place, self.top) for c in self.contenders}
        opens_session = example.opens_unit and self.unit == "session"
        (self.openings if opens_session else self.predictions).add(prediction, shown, ranks)

    def reported(self) -> Reported:
        """Return the predictions that are reported: those after the warm-up."""
        return self._after_warm_up(self.predictions)

    def _after_warm_up(self, predictions: Predictions) -> Reported:
        return Reported(predictions, warm_up=self.warm_up, events=self.events)

    def report(self) -> dict[str, Any]:
        """Return all figures, as ``rillrec replay --json`` prints them."""
        return report_of(
            self.reported(),
            self.census,
            openings=self._after_warm_up(self.openings),
            items=len(self.state.items),
            seed=self.seed,
            lagging=[one.name for one in self.contenders if isinstance(one, Lagging)],
        )

    def _recall_of(self, slate_confidence: float, *, candidate: bool) -> float:
        """Return how likely a target was a candidate, and learn whether it was."""
        if math.isnan(slate_confidence):
            return NAN
        recall = self._recall.of(slate_confidence)
        self._recall.note(slate_confidence, candidate=candidate)
        return recall

    def _category_diversity(self, rows: npt.NDArray[np.int64]) -> float:
        items = self.state.items
        if not items.catalogue:
            return NAN
        updates = [items.catalogue.get(items.id_of(row)) for row in rows.tolist()]
        return category_diversity([update.categories if update else () for update in updates])


def _place_of(rows: npt.NDArray[np.int64], row: int) -> int:
    """Return where a row stands among others in rising order, -1 where it does not."""
    place = int(np.searchsorted(rows, row))
    return place if row >= 0 and place < len(rows) and rows[place] == row else -1


def _confidence(ranking: Ranking, slate: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return the ranker's probability of the slate's first item, and of all of them."""
    if not ranking.candidates.ranked or not len(slate):
        return NAN, NAN
    probabilities = softmax_of(ranking.scores, slate)
    return float(probabilities[0]), float(probabilities.sum())
