"""The hot loop of the counting models, compiled. The learner's side of popularity and rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from online_models.compiled import jit
from online_models.popularity import Popularity
from online_models.rules import Rules

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

LEAST_INCREMENT = np.float32(2.0**-60)
"""Events that come later still compare neighbours as if they came that late."""
EVIDENCE_KEPT = 0.999
"""Of the horizons' mean log likelihood, per event: what counts is about the last 1,000."""
UNSEEN_SHARE = 0.1
"""The share of all events that a horizon is taken to leave for items that it does not hold."""


def count(
    popularity: Popularity,
    rules: Rules,
    *,
    targets: IntArray,
    histories: IntArray,
    weights: FloatArray,
    times_ms: npt.NDArray[np.float64],
    sizes: IntArray,
) -> None:
    """Absorb a run of events into both models, in order.

    Parameters
    ----------
    targets
        Rows of the items that were interacted with, of shape ``(n,)``.
    histories
        What preceded each in its unit, newest first, padded with -1, of shape ``(n, window)``.
    weights
        By kind, of shape ``(n,)``.
    times_ms
        At which each counts, of shape ``(n,)``; the landmarks are recent enough for all.
    sizes
        How many rows the item table used at each, of shape ``(n,)``.
    """
    _count_popularity(
        popularity.counts.array,
        popularity.totals.array[0],
        popularity.evidence.array,
        popularity.counts.dirty,
        popularity.tops,
        popularity.held,
        targets,
        popularity.landmarks.increments(times_ms) * weights[:, None],
        EVIDENCE_KEPT,
        UNSEEN_SHARE / sizes,
    )
    popularity.totals.mark_all()
    popularity.evidence.mark_all()
    increments = rules.landmarks.increments(times_ms)
    _count_rules(
        rules.ids.array,
        rules.weights.array,
        rules.totals.array,
        rules.ids.dirty,
        rules.weights.dirty,
        rules.totals.dirty,
        targets,
        histories,
        increments * weights[:, None],
        1 / np.maximum(increments, LEAST_INCREMENT),
    )


@jit
def _count_popularity(
    counts: Any,
    totals: Any,
    evidence: Any,
    dirty: Any,
    tops: Any,
    held: Any,
    targets: Any,
    increments: Any,
    kept: float,
    unseen: Any,
) -> None:
    """Weigh each horizon by how likely it held the event, then count the event."""
    for event in range(len(targets)):
        row = targets[event]
        dirty[row] = True
        for h in range(increments.shape[1]):
            share = counts[row, h] / totals[h] if totals[h] > 0 else 0.0
            evidence[h] += (1 - kept) * (np.log(share + unseen[event]) - evidence[h])
            counts[row, h] += increments[event, h]
            totals[h] += increments[event, h]
            _rise(counts, tops, held, row, h)


@jit
def _rise(counts: Any, tops: Any, held: Any, row: int, h: int) -> None:
    """Keep a horizon's list of top items as a count grows: best first, ties to the lower row."""
    own = counts[row, h]
    at = 0
    while at < held[h] and tops[h, at] != row:
        at += 1
    if at == held[h]:
        if held[h] < tops.shape[1]:
            if own <= 0:
                return
            held[h] += 1
        else:
            at -= 1
            last = tops[h, at]
            if own < counts[last, h] or (own == counts[last, h] and row > last):
                return
    while at:
        other = tops[h, at - 1]
        if own < counts[other, h] or (own == counts[other, h] and row > other):
            break
        tops[h, at] = other
        at -= 1
    tops[h, at] = row


@jit
def _count_rules(
    ids: Any,
    weights: Any,
    totals: Any,
    ids_dirty: Any,
    weights_dirty: Any,
    totals_dirty: Any,
    targets: Any,
    histories: Any,
    increments: Any,
    present: Any,
) -> None:
    half_lives = increments.shape[1]
    for event in range(len(targets)):
        now = targets[event]
        for k in range(histories.shape[1]):
            before = histories[event, k]
            if before < 0:
                break
            step = np.float32((1.0 + k) ** -0.5)
            for direction in range(2):
                source, other = (before, now) if direction == 0 else (now, before)
                slot = _slot(ids[source], weights[source], other, present[event])
                if ids[source, slot] != other:
                    ids[source, slot] = other
                    weights[source, slot, :] = 0
                    ids_dirty[source, slot] = True
                weights_dirty[source, slot] = True
                totals_dirty[source] = True
                for h in range(half_lives):
                    channel = direction * half_lives + h
                    weights[source, slot, channel] += step * increments[event, h]
                    totals[source, channel] += step * increments[event, h]


@jit
def _slot(ids: Any, weights: Any, wanted: Any, present: Any) -> int:
    """Return the slot of a neighbour: its own, else an empty one, else the weakest's."""
    empty = -1
    for slot in range(len(ids)):
        if ids[slot] == wanted:
            return slot
        if ids[slot] < 0 and empty < 0:
            empty = slot
    if empty >= 0:
        return empty
    weakest, least = 0, np.float32(np.inf)
    half_lives = len(present)
    for slot in range(len(ids)):
        strength = np.float32(0)
        for channel in range(weights.shape[1]):
            strength += weights[slot, channel] * present[channel % half_lives]
        if strength < least:
            weakest, least = slot, strength
    return weakest
