"""The recommender: query in, slate out. The learner, replay and the scorer all run this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from online_models.features import features
from online_models.retrieval import SOURCES, Candidates, Retriever
from online_models.rows import distinct
from online_models.state import ModelState
from schemas.examples import Query

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class SlateItem(Struct, frozen=True):
    """One recommended item and the sources that proposed it."""

    item_id: str
    score: float
    sources: tuple[str, ...]


class Slate(Struct, frozen=True):
    """Recommended items, best first.

    Parameters
    ----------
    features
        What the ranker saw of each item, in their order: little-endian float32, so that two slates
        compare to the bit. Empty where nothing was ranked.
    """

    items: tuple[SlateItem, ...] = ()
    features: bytes = b""


@dataclass(frozen=True, slots=True)
class Ranking:
    """All candidates of a query with their features and scores, in rising order of rows."""

    candidates: Candidates
    features: Floats
    scores: Floats

    def top(self, count: int) -> Rows:
        """Return the places of the best candidates, best first; ties go to the lower row."""
        return _top(self.scores, count)

    def top_by(self, source: str, count: int) -> Rows:
        """Return the places of the best among those that one source proposed, by it alone."""
        places = np.flatnonzero(self.candidates.proposed[source])
        return places[_top(self.candidates.own[source][places], count)]


class Recommender:
    """Ranks what the sources of a model propose. Reads the model, never writes it.

    A query without a history of known items gets what trends, where its context holds; any other is
    ranked.

    Parameters
    ----------
    state
        The model, the learner's own or a replica.
    """

    def __init__(self, state: ModelState) -> None:
        self.state = state
        self.retriever = Retriever(state)

    def recommend(self, query: Query, k: int = 20) -> Slate:
        """Return the top ``k`` items for a query; fewer where the model knows no more.

        Raises
        ------
        ValueError
            ``k`` is below 1.
        """
        if k < 1:
            raise ValueError(f"k is {k}, it must be at least 1")
        ranking = self.rank(query)
        places = ranking.top(k)
        ranked = len(ranking.candidates.asked.history) > 0
        shown = ranking.features[places].astype("<f4", copy=False).tobytes() if ranked else b""
        return self._slate(ranking, places, shown)

    def rank(self, query: Query) -> Ranking:
        """Return all candidates of a query, scored."""
        return self._rank(self.retriever.candidates(query))

    def score(self, query: Query, item_ids: Sequence[str]) -> list[float | None]:
        """Return the scores of given items; ``None`` for those that the model does not know."""
        known = self.state.items.rows_of(item_ids)
        rows = distinct(np.array(known, dtype=np.int64))
        ranking = self._rank(self.retriever.given(query, rows))
        scores = dict(zip(rows.tolist(), ranking.scores.tolist(), strict=True))
        return [scores.get(self.state.items.row_of(item_id)) for item_id in item_ids]

    def similar(self, item_id: str, k: int = 20) -> Slate:
        """Return the items most alike to a given one: those that share its units, and its vector.

        The score adds the share of the strongest rule and the cosine of the output vectors.
        An item that the model does not know has none.

        Raises
        ------
        ValueError
            ``k`` is below 1.
        """
        if k < 1:
            raise ValueError(f"k is {k}, it must be at least 1")
        row = self.state.items.row_of(item_id)
        if row < 0:
            return Slate()
        found = self.retriever.candidates(Query(user_id="", unit_key="", history=(item_id,)))
        others = found.rows != row
        rules = found.own["rules"] / max(float(found.own["rules"].max(initial=0)), 1e-12)
        vectors = self.state.encoder.output.array
        scores = np.where(others, rules + _cosine(vectors[found.rows], vectors[row]), -np.inf)
        ranking = Ranking(found, np.zeros((0, 0), np.float32), scores.astype(np.float32))
        places = [p for p in ranking.top(k + 1) if others[p]][:k]
        return self._slate(ranking, np.array(places, dtype=np.int64))

    def _rank(self, candidates: Candidates) -> Ranking:
        table = features(self.state, candidates)
        if len(candidates.asked.history):
            scores = self.state.ranker.scores(table)
        else:
            scores = candidates.own["popularity"] * _lift(candidates.lifts)
        return Ranking(candidates, table, scores)

    def _slate(self, ranking: Ranking, places: Rows, shown: bytes = b"") -> Slate:
        candidates = ranking.candidates
        return Slate(
            tuple(
                SlateItem(
                    self.state.items.id_of(int(candidates.rows[place])),
                    float(ranking.scores[place]),
                    tuple(name for name in SOURCES if candidates.proposed[name][place]),
                )
                for place in places
            ),
            shown,
        )


def _lift(lifts: Floats) -> Floats:
    """Return the geometric mean of what the values lift by: their fields are not independent."""
    if not lifts.shape[1]:
        return np.ones(len(lifts), dtype=np.float32)
    lift: Floats = np.exp(lifts.mean(axis=1))
    return lift


def _top(scores: Floats, count: int) -> Rows:
    """Return the places of the largest scores; non-finite ones sort last."""
    finite = np.where(np.isfinite(scores), scores, -np.inf)
    return np.argsort(-finite, kind="stable")[:count]


def _cosine(vectors: Floats, other: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(other)
    cosines: Floats = vectors @ other / np.maximum(norms, np.float32(1e-12))
    return cosines
