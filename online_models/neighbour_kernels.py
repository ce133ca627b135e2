"""The neighbours of one history, compiled: the same as ``Rules.neighbours`` finds."""

from __future__ import annotations

from typing import Any

import numpy as np

from online_models.compiled import jit


@jit
def follow(
    ids: Any,
    weights: Any,
    totals: Any,
    fresh: Any,
    norm: float,
    by_position: Any,
    history: Any,
    places: Any,
    neighbours: Any,
    sums: Any,
    rests: Any,
    newest: Any,
) -> int:
    """Sum the rules of a history, newest first; return how many neighbours there are."""
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
        for c in range(channels):
            sums[place, c] += rests[place, c]
    return found


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
