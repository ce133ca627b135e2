"""The neighbours of one history, compiled: the same as ``Rules`` finds at first and second hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from online_models.compiled import jit, jit_sums
from online_models.selection_kernels import better


@jit
def follow(
    ids: Any,
    weights: Any,
    totals: Any,
    fresh: Any,
    norm: float,
    by_position: Any,
    mix: Any,
    history: Any,
    places: Any,
    neighbours: Any,
    sums: Any,
    rests: Any,
    newest: Any,
    blends: Any,
) -> int:
    """Sum and blend the rules of a history, newest first; return how many neighbours there are."""
    norms = _norms(totals, history, fresh, norm, by_position)
    found = 0
    channels = sums.shape[1]
    for k in range(len(norms)):
        source = history[k]
        for slot in range(ids.shape[1]):
            row = ids[source, slot]
            if row < 0:
                continue
            place = places[row]
            if place < 0:
                place = places[row] = found
                neighbours[found] = row
                found += 1
                for c in range(channels):
                    sums[place, c] = weights[source, slot, c] * norms[k, c]
                    rests[place, c] = 0
                    newest[place, c] = sums[place, c] if k == 0 else 0
            else:
                for c in range(channels):
                    rests[place, c] += weights[source, slot, c] * norms[k, c]
    for place in range(found):  # in the order in which numpy adds
        blends[place] = 0
        for c in range(channels):
            sums[place, c] += rests[place, c]
            blends[place] += sums[place, c] * mix[c]
    return found


@jit_sums
def second_hand(
    found: int,
    neighbours: Any,
    blends: Any,
    most: int,
    ids: Any,
    weights: Any,
    totals: Any,
    fresh: Any,
    norm: float,
    mix: Any,
    rows: Any,
    lookup: Any,
) -> Any:
    """Return what ``Rules.second_hand`` does, by ``most`` neighbours, for rows that are distinct.

    ``lookup`` has -1 for each row of the model and for row -1, before and after.
    """
    said = np.zeros(len(rows), dtype=np.float32)
    sources, strengths = _strongest(found, neighbours, blends, most)
    norms = _norms(totals, sources, fresh, norm, strengths)
    norms *= mix
    for n in range(len(rows)):
        lookup[rows[n]] = n
    slots, places = np.empty((2, ids.shape[1]), dtype=np.int64)
    for k in range(len(sources)):
        source, held = sources[k], 0
        for slot in range(ids.shape[1]):  # no branch that can't be foreseen: it costs as much again
            slots[held], places[held] = slot, lookup[ids[source, slot]]
            held += places[held] >= 0
        for n in range(held):
            told = np.float32(0)
            for c in range(len(mix)):
                told += weights[source, slots[n], c] * norms[k, c]
            said[places[n]] += told
    for row in rows:
        lookup[row] = -1
    return said


@jit
def _strongest(found: int, neighbours: Any, blends: Any, most: int) -> Any:
    """Return the neighbours of the largest blends, and these, best first; ties to the lower row."""
    best, strengths = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.float32)
    held = 0
    for place in range(found):
        row, blend, at = neighbours[place], blends[place], held
        if held == most:
            at -= 1
            if not better(blend, row, strengths[at], best[at]):
                continue
        held = max(held, at + 1)
        while at and better(blend, row, strengths[at - 1], best[at - 1]):
            best[at], strengths[at] = best[at - 1], strengths[at - 1]
            at -= 1
        best[at], strengths[at] = row, blend
    return best[:held], strengths[:held]


@jit
def forget(found: int, neighbours: Any, places: Any) -> None:
    """Make the scratch as good as new."""
    for place in range(found):
        places[neighbours[place]] = -1


@jit
def _norms(totals: Any, history: Any, fresh: Any, norm: float, by_position: Any) -> Any:
    """Return what the counts of a history's items are worth; see ``Rules.norms``."""
    half_lives = len(fresh)
    norms = np.empty((min(len(history), len(by_position)), totals.shape[1]), dtype=np.float32)
    for k in range(len(norms)):
        for c in range(norms.shape[1]):
            increment = fresh[c % half_lives]
            share = (totals[history[k], c] / increment + np.float32(1)) ** np.float32(-norm)
            norms[k, c] = share / increment * by_position[k]
    return norms
