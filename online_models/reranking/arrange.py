"""A ranking becomes a slate: freshness and diversity order it, pins and sponsored items take their
places, and the best of the rest fill it under the caps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from online_models.facets import NONE
from online_models.items import ItemTable
from online_models.reranking.caps import Caps
from online_models.reranking.diversity import diversified
from online_models.reranking.filling import Filling
from online_models.reranking.freshness import freshened
from online_models.rows import Mask, Rows
from schemas.slate_rules import SlateRules

Floats = npt.NDArray[np.float32]
Moves = dict[int, tuple[str, ...]]


class Ranked(Struct, frozen=True):
    """Candidates that all hard rules allow, as the rules look at them.

    ``proposed`` tells which of them a source proposed; the others may only be pinned or sponsored.
    ``vectors`` is the model's whole table, by row.
    """

    items: ItemTable
    rows: Rows
    scores: Floats
    proposed: Mask
    vectors: Floats
    now_ms: int


class Arranged(Struct, frozen=True):
    """A slate, as places of candidates.

    Parameters
    ----------
    moves
        By place, the rules that moved a candidate, or put it there.
    passed
        By place, the rule that kept a candidate out that would have stood in the slate.
    sponsored
        The places of those to be labelled so.
    relaxed
        The caps that were not kept, as there was nothing else.
    """

    places: Rows
    moves: Moves = {}
    passed: dict[int, str] = {}
    sponsored: frozenset[int] = frozenset()
    relaxed: tuple[str, ...] = ()


def best_first(scores: Floats) -> Rows:
    """Return places by falling score; ties go to the lower one, non-finite scores come last."""
    keys = -scores
    keys[~np.isfinite(keys)] = np.inf
    return keys.argsort(kind="stable")


def arrange(
    ranked: Ranked, rules: SlateRules, count: int, explored: Sequence[int] = ()
) -> Arranged:
    """Return the slate of ``count`` items at most that the rules make of a ranking.

    The candidates of ``explored`` take the last of every few places.
    As many as there are: where a cap leaves too few, the best of those it kept out fill the slate.
    """
    order = best_first(ranked.scores)
    order = order[ranked.proposed[order]]
    if not (explored or _anything(ranked, rules)):
        return Arranged(order[:count])
    order, moves = _reordered(ranked, rules, order, count)
    special = _special(ranked, rules)
    wanted = _pinned(ranked, rules)
    listed = list(_places_of(ranked, rules.sponsored).values())
    fixed = (*wanted.values(), *listed, *explored)
    others = {place for place in fixed if not ranked.proposed[place]}
    count = min(count, len(order) + len(others))
    caps = Caps(ranked.items.facets, ranked.rows, rules, count)
    if not (caps or special or wanted or explored):
        return Arranged(order[:count], moves)
    filling = Filling(caps, special, rules, count)
    filling.pin(wanted)
    filling.sponsor(listed)
    if explored:
        filling.explore(explored, rules.explore_every)
    filling.fill(order.tolist())
    moved = {place: (*moves.get(place, ()), *names) for place, names in filling.moves.items()}
    return Arranged(
        np.array(filling.slate, dtype=np.int64),
        moves | moved,
        filling.passed,
        frozenset(special.intersection(filling.slate)),
        tuple(filling.relaxed),
    )


def _anything(ranked: Ranked, rules: SlateRules) -> bool:
    """Return whether any rule has anything to say of any item: most slates are made without."""
    facets = ranked.items.facets
    return bool(
        rules.pins
        or rules.sponsored
        or rules.freshness
        or rules.diversity
        or facets.primary.used
        or facets.sellers.used
        or facets.sponsored.used
    )


def _reordered(ranked: Ranked, rules: SlateRules, order: Rows, count: int) -> tuple[Rows, Moves]:
    moves: Moves = {}
    scores = ranked.scores
    if rules.freshness > 0 and len(order):
        times = ranked.items.first_seen_ms.array[ranked.rows]
        gain, half_life_ms = rules.freshness, rules.fresh_half_life_ms
        scores = freshened(scores, times, ranked.now_ms, gain=gain, half_life_ms=half_life_ms)
        before, order = order, best_first(scores)
        order = order[ranked.proposed[order]]
        rank = {place: n for n, place in enumerate(before.tolist())}
        moves = {p: ("freshness",) for n, p in enumerate(order.tolist()) if n < rank[p]}
    if rules.diversity > 0:
        before, vectors = order, ranked.vectors[ranked.rows]
        categories = ranked.items.facets.primary.of(ranked.rows)
        order = diversified(
            order, scores, vectors, categories, diversity=rules.diversity, count=count
        )
        changed = order[order != before].tolist()
        moves |= {place: (*moves.get(place, ()), "diversity") for place in changed}
    return order, moves


def _special(ranked: Ranked, rules: SlateRules) -> set[int]:
    """Return the places of sponsored candidates, by catalogue or by the rules."""
    special = set(_places_of(ranked, rules.sponsored).values())
    facet = ranked.items.facets.sponsored
    if facet.used:
        special.update(np.flatnonzero(facet.of(ranked.rows) != NONE).tolist())
    return special


def _pinned(ranked: Ranked, rules: SlateRules) -> dict[int, int]:
    """Return candidates by the spot that they are pinned to."""
    pins = _places_of(ranked, list(rules.pins.values()))
    return {spot: pins[item] for spot, item in rules.pins.items() if item in pins}


def _places_of(ranked: Ranked, item_ids: tuple[str, ...] | list[str]) -> dict[str, int]:
    """Return the places of those items that are candidates."""
    found = {}
    for item_id in item_ids:
        row = ranked.items.row_of(item_id)
        place = int(ranked.rows.searchsorted(row))
        if place < len(ranked.rows) and ranked.rows[place] == row:
            found[item_id] = place
    return found
