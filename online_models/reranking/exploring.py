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


def owed(state: ModelState, rules: SlateRules, exploration: Exploration) -> list[int]:
    """Return the rows of new items that are owed impressions, those who wait longest first."""
    if not rules.guaranteed_impressions:
        return []
    found: list[int] = []
    for item_id in dict.fromkeys(state.items.newest):
        row = state.items.row_of(item_id)
        shown = exploration.impressions.get(item_id, 0)
        if row >= 0 and shown < rules.guaranteed_impressions:
            found.append(row)
    rows = np.array(found, dtype=np.int64)
    few = events(state, rows) < rules.guaranteed_impressions
    return [int(row) for row in rows[few & state.items.servable[rows]][: 4 * POOL]]


def events(state: ModelState, rows: Rows) -> Counts:
    """Return how many events items have had, by the slowest decay that the model counts with."""
    popularity = state.popularity
    now_ms = np.array([float(state.progress.time_ms)])
    fresh = float(popularity.landmarks.increments(now_ms)[0][-1])
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
    """Return who takes the slots of a slate of ``count``, from the top; nobody who stands in it."""
    slots = count // rules.explore_every
    order = best_first(scores)[count:]
    generator = np.random.default_rng(exploration.seed)
    place_of = {int(row): place for place, row in zip(order.tolist(), rows[order], strict=True)}
    queue = [place_of[row] for row in waiting if row in place_of][: max(POOL, slots)]
    drawn = generator.permutation(len(queue))[:slots]
    found = [Explored(queue[n], min(1.0, slots / len(queue))) for n in drawn.tolist()]
    if len(found) < slots:
        taken = {one.place for one in found}
        rest = np.array([p for p in order.tolist() if p not in taken], dtype=np.int64)
        few = events(state, rows[rest]) < max(1, rules.guaranteed_impressions)
        pool = rest[few][:POOL]
        found += _thompson(state, rows, pool, exploration, generator, slots - len(found))
    return found


def _thompson(
    state: ModelState,
    rows: Rows,
    pool: Rows,
    exploration: Exploration,
    generator: np.random.Generator,
    slots: int,
) -> list[Explored]:
    """Return winners of one drawing, the next from those that are left."""
    if not len(pool):
        return []
    answered = events(state, rows[pool])
    shown = [exploration.impressions.get(state.items.id_of(r), 0) for r in rows[pool].tolist()]
    missed = np.maximum(np.array(shown) - answered, 0)
    draws = generator.beta(1 + answered, 1 + missed, size=(DRAWINGS, len(pool)))
    found: list[Explored] = []
    for _ in range(min(slots, len(pool))):
        winners = draws.argmax(axis=1)
        won = int(winners[0])
        found.append(Explored(int(pool[won]), float((winners == won).mean())))
        draws[:, won] = -1
    return found
