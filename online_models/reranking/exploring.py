"""Exploration: some places of a slate go to items that are new, or that little is known of.

A new item is owed a number of impressions. Of the newest 256 items those that are owed some stand
in a queue, in the order in which they got a row, and each slot goes to one of the first sixteen,
drawn evenly: so each gets its due, as far as there are slots. Where nobody is owed any, the slot
goes to a candidate with few events by Thompson sampling: the likelihood that an impression is
answered is drawn from its Beta posterior, and the largest draw wins. Several such drawings are
made, and one of them is taken: the propensity is the share of drawings that the same item wins.

References
----------
O. Chapelle, L. Li: An Empirical Evaluation of Thompson Sampling. NIPS 2011.
https://papers.nips.cc/paper/4321-an-empirical-evaluation-of-thompson-sampling
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from random import Random

import numpy as np
import numpy.typing as npt

from online_models.reranking.arrange import best_first
from online_models.rows import Rows
from online_models.state import ModelState
from schemas.slate_rules import SlateRules

Counts = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
POOL = 16
DRAWINGS = 32


@dataclass(frozen=True, slots=True)
class Exploration:
    """What a slate explores with: a seed of its own, and the impressions of items so far."""

    seed: int
    impressions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Explored:
    """A candidate's place, and the probability with which it was drawn."""

    place: int
    propensity: float


def little_known(state: ModelState, rules: SlateRules) -> list[tuple[str, int]]:
    """Return the newest items of few events with their rows, those who wait longest first."""
    found = [
        (item_id, state.items.row_of(item_id)) for item_id in dict.fromkeys(state.items.newest)
    ]
    rows = np.array([row for _, row in found], dtype=np.int64)
    few = (rows >= 0) & (events(state, rows) < rules.guaranteed_impressions)
    few &= state.items.servable[rows]
    return [one for one, wanted in zip(found, few.tolist(), strict=True) if wanted]


def owed(
    newcomers: list[tuple[str, int]], rules: SlateRules, exploration: Exploration
) -> list[int]:
    """Return the rows of those newcomers that are owed impressions: as many as may be drawn from.

    Half as many again, as a request may not be shown all of them.
    """
    shown, due = exploration.impressions, rules.guaranteed_impressions
    waiting = (row for item_id, row in newcomers if shown.get(item_id, 0) < due)
    return list(islice(waiting, POOL + POOL // 2))


def events(state: ModelState, rows: Rows) -> Counts:
    """Return how many events items have had, by the slowest decay that the model counts with."""
    popularity = state.popularity
    fresh = float(popularity.landmarks.fresh(float(state.progress.time_ms))[-1])
    counts: Counts = popularity.counts.array[rows, -1].astype(np.float64) / fresh
    return counts


def explored(
    state: ModelState,
    rows: Rows,
    scores: Floats,
    waiting: list[int],
    rules: SlateRules,
    exploration: Exploration,
    count: int,
) -> list[Explored]:
    """Return who takes the slots of a slate of ``count``, from the top; nobody who stands in it.

    Parameters
    ----------
    rows, scores
        The candidates'.
    waiting
        The rows that are owed impressions; those that may not be shown are no candidates.
    """
    slots = count // rules.explore_every
    order = best_first(scores)
    top = set(order[:count].tolist())
    places = [place for place in _places(rows, waiting) if place not in top]
    queue = places[: max(POOL, slots)]
    drawn = Random(exploration.seed).sample(queue, min(slots, len(queue)))
    found = [Explored(place, min(1.0, slots / len(queue))) for place in drawn]
    if len(found) < slots:
        rest = order[count:]
        rest = rest[~np.isin(rest, drawn)]
        few = events(state, rows[rest]) < max(1, rules.guaranteed_impressions)
        found += _thompson(state, rows, rest[few][:POOL], exploration, slots - len(found))
    return found


def _places(rows: Rows, waiting: list[int]) -> list[int]:
    """Return the places of those rows that are candidates, in their order."""
    if not len(rows) or not waiting:
        return []
    wanted = np.array(waiting, dtype=np.int64)
    places = np.minimum(rows.searchsorted(wanted), len(rows) - 1)
    return [int(place) for place in places[rows[places] == wanted]]


def _thompson(
    state: ModelState,
    rows: Rows,
    pool: Rows,
    exploration: Exploration,
    slots: int,
) -> list[Explored]:
    """Return winners of one drawing, the next from those that are left."""
    if not len(pool):
        return []
    answered = events(state, rows[pool])
    shown = [exploration.impressions.get(state.items.id_of(r), 0) for r in rows[pool].tolist()]
    missed = np.maximum(np.array(shown) - answered, 0)
    generator = np.random.default_rng(exploration.seed)
    draws = generator.beta(1 + answered, 1 + missed, size=(DRAWINGS, len(pool)))
    found: list[Explored] = []
    for _ in range(min(slots, len(pool))):
        winners = draws.argmax(axis=1)
        won = int(winners[0])
        found.append(Explored(int(pool[won]), float((winners == won).mean())))
        draws[:, won] = -1
    return found
