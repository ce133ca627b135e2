"""Why an item is in a slate, at its place, or why it is not.

=================  =============================================================================
reason             the item
=================  =============================================================================
``shown``          is in the slate
``unknown_item``   has no row in the model: no event of it was learnt yet, nor does the catalogue
                   have a word of it, or it was evicted
``hard_rule``      must not be shown here; ``rule`` names why, as ``reranking.permit`` does
``not_proposed``   may be shown, but no source proposed it
``held_back``      would have been in the slate but for ``rule``: a cap, or the bound on sponsored
``displaced``      would have been, but for pins, sponsored items, freshness or diversity
``beyond_k``       ranked behind the slate's end
``no_model``       can't be told about, as no model can be asked
=================  =============================================================================
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from online_models.explaining.contributions import contributions
from online_models.explaining.past import PastItem, earlier_items, past_items, relays
from online_models.explaining.words import SharedWord, shared_words
from online_models.feature_names import feature_names
from online_models.recommender import Ranking, Recommender
from online_models.reranking.arrange import Arranged, best_first
from online_models.reranking.permit import barring
from online_models.retrieval import SOURCES
from schemas.examples import Query
from schemas.slate_rules import SlateRules


class SourceWord(Struct, frozen=True):
    """Whether a source proposed the item, its own score, and the place there among candidates."""

    name: str
    proposed: bool
    score: float
    rank: int


class FeatureWord(Struct, frozen=True):
    """A feature as the ranker saw it, and what it adds to the score."""

    name: str
    value: float
    contribution: float


class Explanation(Struct, frozen=True, kw_only=True):
    """All that led to an item's place, or kept it from one.

    Parameters
    ----------
    reason, rule
        See the module.
    position
        In the slate, from 0.
    score, rank
        The ranker's, before any rule; ``rank`` is from 1, among ``candidates`` that were proposed.
    past_items
        Those whose lists of neighbours hold the item, the largest share first.
    relays
        Neighbours of the history whose own lists hold the item: rules tell of it at second hand.
    earlier_items
        Those of the user's other sessions by which the encoder scores it higher, the largest share
        first. What opens a session has no others.
    words
        Those of the catalogue that it shares with the history, the largest share first.
    features
        Largest contribution first; with ``baseline`` they sum up to the score. None for a stranger,
        whom nothing is ranked for.
    moved_by
        The rules that moved it, or put it there.
    """

    item_id: str
    reason: str
    rule: str = ""
    position: int | None = None
    score: float | None = None
    rank: int = 0
    candidates: int = 0
    sources: tuple[SourceWord, ...] = ()
    past_items: tuple[PastItem, ...] = ()
    relays: tuple[PastItem, ...] = ()
    earlier_items: tuple[PastItem, ...] = ()
    words: tuple[SharedWord, ...] = ()
    features: tuple[FeatureWord, ...] = ()
    baseline: float = 0.0
    moved_by: tuple[str, ...] = ()


def explain(
    recommender: Recommender, query: Query, item_id: str, k: int, rules: SlateRules
) -> Explanation:
    """Return why a slate of ``k`` for a query holds an item, or why not."""
    items = recommender.state.items
    row = items.row_of(item_id)
    barred = barring(item_id, items.catalogue.get(item_id), query, rules)
    if row < 0:
        reason = "hard_rule" if barred else "unknown_item"
        return Explanation(item_id=item_id, reason=reason, rule=barred)
    if barred:
        ranking = recommender.rank_given(query, np.array([row], dtype=np.int64), rules)
        return _told(ranking, 0, item_id, ("hard_rule", barred), None)
    ranking = recommender.rank(query, rules, at_least=k, also=(row,))
    place = int(ranking.candidates.rows.searchsorted(row))
    arranged = ranking.arranged(k)
    return _told(ranking, place, item_id, _reason(ranking, place, arranged, k), arranged)


def _reason(ranking: Ranking, place: int, arranged: Arranged, k: int) -> tuple[str, str]:
    if place in arranged.places:
        return "shown", ""
    if place in arranged.passed:
        return "held_back", arranged.passed[place]
    if not ranking.candidates.proposed[place]:
        return "not_proposed", ""
    return ("beyond_k" if _rank(ranking, place)[0] > k else "displaced"), ""


def _told(
    ranking: Ranking,
    place: int,
    item_id: str,
    reason: tuple[str, str],
    arranged: Arranged | None,
) -> Explanation:
    rank, candidates = _rank(ranking, place) if arranged else (0, 0)
    shown = arranged.places.tolist() if arranged else []
    features, baseline = _features(ranking, place)
    row = int(ranking.candidates.rows[place])
    return Explanation(
        item_id=item_id,
        reason=reason[0],
        rule=reason[1],
        position=shown.index(place) if place in shown else None,
        score=float(ranking.scores[place]),
        rank=rank,
        candidates=candidates,
        sources=_sources(ranking, place) if arranged else (),
        past_items=past_items(ranking, row),
        relays=relays(ranking, row),
        earlier_items=earlier_items(ranking, row),
        words=shared_words(ranking.state, ranking.candidates.history, item_id),
        features=features,
        baseline=baseline,
        moved_by=arranged.moves.get(place, ()) if arranged and place in shown else (),
    )


def _rank(ranking: Ranking, place: int) -> tuple[int, int]:
    """Return the rank that a candidate's score has among those proposed, and their number."""
    proposed = ranking.candidates.proposed
    order = best_first(ranking.scores)
    others = order[proposed[order] | (order == place)]
    return int(np.flatnonzero(others == place)[0]) + 1, int(proposed.sum())


def _sources(ranking: Ranking, place: int) -> tuple[SourceWord, ...]:
    found = ranking.candidates
    return tuple(
        [
            SourceWord(
                name,
                bool(found.proposed_by(name)[place]),
                float(own[place]),
                int(np.flatnonzero(best_first(own) == place)[0]) + 1,
            )
            for name in SOURCES
            for own in [ranking.own(name)]
        ]
    )


def _features(ranking: Ranking, place: int) -> tuple[tuple[FeatureWord, ...], float]:
    if not ranking.candidates.ranked:
        return (), 0.0
    state, values = ranking.state, ranking.features[place]
    added, baseline = contributions(state.ranker, values)
    names = feature_names(state.config)
    words = [
        FeatureWord(name, float(value), float(part))
        for name, value, part in zip(names, values, added, strict=True)
    ]
    return tuple(sorted(words, key=lambda word: -abs(word.contribution))), baseline
