"""The recommender: query in, slate out. The learner, replay and the scorer all run this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress, product

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from msgspec.structs import replace

from online_models.agreed import SCORE
from online_models.features import features
from online_models.reranking.arrange import Arranged, Ranked, arrange, best_first
from online_models.reranking.exploring import (
    Exploration,
    Explored,
    explored,
    little_known,
    owed,
)
from online_models.reranking.permit import permit
from online_models.retrieval import SOURCES, Candidates, Retriever
from online_models.rows import distinct
from online_models.state import ModelState
from schemas.events import Scalar
from schemas.examples import Query
from schemas.slate_rules import SlateRules

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

PROPOSERS = [
    tuple(compress(SOURCES, reversed(bits))) for bits in product((0, 1), repeat=len(SOURCES))
]
"""The sources that each number's bits stand for."""


class SlateItem(Struct, frozen=True):
    """One recommended item and the sources that proposed it.

    ``rules`` are those that moved it or put it there; ``sponsored`` items are to be labelled so;
    ``propensity`` is the probability with which it was drawn, where it explores.
    """

    item_id: str
    score: float
    sources: tuple[str, ...]
    rules: tuple[str, ...] = ()
    sponsored: bool = False
    propensity: float = 1.0


class Slate(Struct, frozen=True):
    """Recommended items, best first.

    Parameters
    ----------
    features
        What the ranker saw of each item, in their order: little-endian float32, so that two slates
        compare to the bit. Empty where nothing was ranked.
    relaxed
        The caps that were not kept, as nothing else was left to fill the slate with.
    """

    items: tuple[SlateItem, ...] = ()
    features: bytes = b""
    relaxed: tuple[str, ...] = ()


class Ranking(Struct, frozen=True):
    """All candidates of a query with their features and scores, in rising order of rows."""

    candidates: Candidates
    features: Floats
    scores: Floats
    state: ModelState
    rules: SlateRules

    def top(self, count: int) -> Rows:
        """Return the places of a slate's candidates, as the rules arrange them."""
        return self.arranged(count).places

    def arranged(self, count: int, explored: Sequence[int] = ()) -> Arranged:
        """Return the slate that the rules make of the candidates, and of those to explore."""
        state, found = self.state, self.candidates
        vectors, now_ms = state.encoder.output.array, state.progress.time_ms
        ranked = Ranked(state.items, found.rows, self.scores, found.proposed, vectors, now_ms)
        return arrange(ranked, self.rules, count, explored)

    def top_by(self, source: str, count: int) -> Rows:
        """Return the places of the best among those that one source proposed, by it alone."""
        places = np.flatnonzero(self.candidates.proposed_by(source))
        return places[best_first(self.own(source)[places])[:count]]

    def own(self, source: str) -> Floats:
        """Return what a source alone scores all candidates with, of shape ``(n,)``."""
        found, state = self.candidates, self.state
        match source:
            case "popularity":
                return state.popularity.blend(found.shares)
            case "rules":
                return state.rules.blend(found.rules)
            case "encoder":
                return found.encoded[:, 0]
            case "session":
                return found.recency
        return found.content[:, SCORE]


class Recommender:
    """Ranks what the sources of a model propose. Reads the model, never writes it.

    A query without known items, of this session or others, gets what trends, where its context
    holds and at such a moment; any other is ranked.

    Parameters
    ----------
    state
        The model, the learner's own or a replica.
    rules
        How a ranking becomes a slate, where a request says nothing else.
    """

    def __init__(self, state: ModelState, rules: SlateRules | None = None) -> None:
        self.state = state
        self.rules = rules or SlateRules()
        self.retriever = Retriever(state)
        self._newcomers: tuple[tuple[int, int], list[tuple[str, int]]] = ((-1, 0), [])

    def recommend(
        self,
        query: Query,
        k: int = 20,
        rules: SlateRules | None = None,
        exploration: Exploration | None = None,
    ) -> Slate:
        """Return the top ``k`` items for a query; fewer where there are no more that it may see.

        ``rules`` are this slate's own, in place of the recommender's; without an ``exploration``
        nothing is explored.

        Raises
        ------
        ValueError
            ``k`` is below 1.
        """
        if k < 1:
            raise ValueError(f"k is {k}, it must be at least 1")
        rules, drawn = rules or self.rules, []
        if exploration and rules.explore_every and k >= rules.explore_every:
            waiting = owed(self._little_known(rules), rules, exploration)
            ranking = self.rank(query, rules, at_least=k, also=waiting)
            rows, scores = ranking.candidates.rows, ranking.scores
            drawn = explored(self.state, rows, scores, waiting, rules, exploration, k)
        else:
            ranking = self.rank(query, rules, at_least=k)
        arranged = ranking.arranged(k, [one.place for one in drawn])
        table = ranking.features[arranged.places]
        shown = table.astype("<f4", copy=False).tobytes() if ranking.candidates.ranked else b""
        slate = self._slate(ranking, arranged, shown)
        return _with_propensities(slate, arranged, drawn) if drawn else slate

    def _little_known(self, rules: SlateRules) -> list[tuple[str, int]]:
        """Return the newest items of few events: looked up anew with each version of the model."""
        key = (self.state.progress.version, rules.guaranteed_impressions)
        if self._newcomers[0] != key:
            self._newcomers = (key, little_known(self.state, rules))
        return self._newcomers[1]

    def rank(
        self,
        query: Query,
        rules: SlateRules | None = None,
        *,
        at_least: int = 0,
        also: Sequence[int] = (),
    ) -> Ranking:
        """Return all candidates of a query, scored: ``at_least`` so many, if there are.

        The rows of ``also`` are among them, as far as they may be shown, whoever proposes them.
        """
        rules = rules or self.rules
        allowed = permit(self.state.items, query, rules)
        paid = self.state.items.rows_of(rules.sponsored)
        wished = [*also, *self.state.items.rows_of(rules.pins.values()), *paid]
        found = self.retriever.candidates(
            query, allowed, at_least=at_least, wished=wished, paid=paid
        )
        return self._rank(found, rules)

    def rank_given(self, query: Query, rows: Rows, rules: SlateRules | None = None) -> Ranking:
        """Return given rows, in rising order, scored as if every source had proposed them."""
        return self._rank(self.retriever.given(query, rows), rules or self.rules)

    def score(self, query: Query, item_ids: Sequence[str]) -> list[float | None]:
        """Return the scores of given items; ``None`` for those that the model does not know."""
        known = self.state.items.rows_of(item_ids)
        rows = distinct(np.array(known, dtype=np.int64))
        ranking = self.rank_given(query, rows)
        scores = dict(zip(rows.tolist(), ranking.scores.tolist(), strict=True))
        return [scores.get(self.state.items.row_of(item_id)) for item_id in item_ids]

    def similar(
        self,
        item_id: str,
        k: int = 20,
        context: Mapping[str, Scalar] | None = None,
        rules: SlateRules | None = None,
    ) -> Slate:
        """Return the items most alike to a given one: those that share its units, and its vector.

        The score adds the share of the strongest rule and the cosine of the output vectors.
        An item that the model does not know has none. Hard rules hold, by the ``context`` of who
        will see them; caps do not, as likeness is what was asked for.

        Raises
        ------
        ValueError
            ``k`` is below 1.
        """
        if k < 1:
            raise ValueError(f"k is {k}, it must be at least 1")
        rules, row = rules or self.rules, self.state.items.row_of(item_id)
        if row < 0:
            return Slate()
        query = Query(user_id="", unit_key="", history=(item_id,), context=dict(context or {}))
        allowed = permit(self.state.items, query, rules)
        found = self.retriever.candidates(query, allowed, at_least=k)
        vectors = self.state.encoder.output.array
        shares = _share_of_best(self.state.rules.blend(found.rules))
        likeness = shares + _cosine(vectors[found.rows], vectors[row])
        scores = np.where(found.rows == row, -np.inf, likeness).astype(np.float32)
        ranking = Ranking(found, np.zeros((0, 0), np.float32), scores, self.state, rules)
        order = best_first(scores)
        paid = np.flatnonzero(self.state.items.facets.sponsored.of(found.rows)).tolist()
        order = order[found.rows[order] != row][:k]
        return self._slate(ranking, Arranged(order, sponsored=frozenset(paid)))

    def _rank(self, candidates: Candidates, rules: SlateRules) -> Ranking:
        table = self._features(candidates)
        if candidates.ranked:
            scores = self.state.ranker.scores(table)
        else:
            scores = self.state.popularity.blend(candidates.shares) * _lift(candidates.lifts)
        return Ranking(candidates, table, scores, self.state, rules)

    def _features(self, candidates: Candidates) -> Floats:
        return features(self.state, candidates)

    def _slate(self, ranking: Ranking, arranged: Arranged, shown: bytes = b"") -> Slate:
        candidates, places, id_of = ranking.candidates, arranged.places, self.state.items.id_of
        moves, sponsored = arranged.moves, arranged.sponsored
        columns = zip(
            places.tolist(),
            candidates.rows[places].tolist(),
            ranking.scores[places].tolist(),
            candidates.proposers[places].tolist(),
            strict=True,
        )
        shown_items = [
            SlateItem(
                id_of(row),
                score,
                PROPOSERS[proposers],
                moves.get(place, ()),
                place in sponsored,
            )
            for place, row, score, proposers in columns
        ]
        return Slate(tuple(shown_items), shown, arranged.relaxed)


def _lift(lifts: Floats) -> Floats:
    """Return the geometric mean of what the values lift by: their fields are not independent."""
    if not lifts.shape[1]:
        return np.ones(len(lifts), dtype=np.float32)
    lift: Floats = np.exp(lifts.mean(axis=1))
    return lift


def _cosine(vectors: Floats, other: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(other)
    cosines: Floats = vectors @ other / np.maximum(norms, np.float32(1e-12))
    return cosines


def _with_propensities(slate: Slate, arranged: Arranged, drawn: list[Explored]) -> Slate:
    propensities = {one.place: one.propensity for one in drawn}
    items = [
        replace(item, propensity=propensities[place]) if "explore" in item.rules else item
        for place, item in zip(arranged.places.tolist(), slate.items, strict=True)
    ]
    return replace(slate, items=tuple(items))


def _share_of_best(scores: Floats) -> Floats:
    shares: Floats = scores / max(float(scores.max(initial=0)), 1e-12)
    return shares
