"""The hot loop of the counting models, compiled. The learner's side of popularity and rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from online_models.compiled import jit
from online_models.contexts import EVERYTHING, Contexts
from online_models.decay_kernels import increments
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
        Rows of the items that were interacted with, of shape ``(n,)``; those below 0 don't count.
    histories
        What preceded each in its unit, newest first, padded with -1, of shape ``(n, window)``.
    weights
        By kind, of shape ``(n,)``.
    times_ms
        At which each counts, of shape ``(n,)``; the landmarks are recent enough for all.
    sizes
        How many rows the item table used at each, of shape ``(n,)``.
    """
    _count(
        popularity.counts.array,
        popularity.totals.array[0],
        popularity.evidence.array,
        popularity.counts.dirty,
        popularity.tops,
        popularity.held,
        increments(popularity.landmarks, times_ms),
        rules.ids.array,
        rules.weights.array,
        rules.totals.array,
        rules.ids.dirty,
        rules.weights.dirty,
        rules.totals.dirty,
        increments(rules.landmarks, times_ms),
        targets,
        histories,
        weights,
        sizes,
    )
    popularity.totals.mark_all()
    popularity.evidence.mark_all()


def count_contexts(
    contexts: Contexts,
    *,
    targets: IntArray,
    slots: IntArray,
    weights: FloatArray,
    times_ms: npt.NDArray[np.float64],
) -> None:
    """Absorb a run of events, with the slots of their contexts, padded with -1."""
    counted = _count_contexts(
        contexts.counts.array,
        contexts.totals.array,
        contexts.counts.dirty,
        targets,
        slots,
        increments(contexts.landmarks, times_ms)[:, 0],
        weights,
    )
    if counted:
        contexts.totals.mark_all()


@jit
def _count(
    counts: Any,
    totals: Any,
    evidence: Any,
    dirty: Any,
    tops: Any,
    held: Any,
    grown: Any,
    ids: Any,
    rule_weights: Any,
    rule_totals: Any,
    ids_dirty: Any,
    rule_weights_dirty: Any,
    rule_totals_dirty: Any,
    rules_grown: Any,
    targets: Any,
    histories: Any,
    weights: Any,
    sizes: Any,
) -> None:
    """Count for popularity and for the rules: one call, as each costs as much as an event."""
    _count_popularity(counts, totals, evidence, dirty, tops, held, targets, grown, weights, sizes)
    _count_rules(
        ids,
        rule_weights,
        rule_totals,
        ids_dirty,
        rule_weights_dirty,
        rule_totals_dirty,
        targets,
        histories,
        rules_grown,
        weights,
    )


@jit
def _count_contexts(
    counts: Any,
    totals: Any,
    dirty: Any,
    targets: Any,
    slots: Any,
    grown: Any,
    weights: Any,
) -> int:
    """Count, and return how many events did."""
    counted = 0
    for event in range(len(targets)):
        row = targets[event]
        if row < 0 or slots[event, 0] < 0:
            continue
        counted += 1
        increment = grown[event] * weights[event]
        counts[row, EVERYTHING] += increment
        totals[EVERYTHING] += increment
        dirty[row, EVERYTHING] = True
        for slot in slots[event]:
            if slot >= 0:
                counts[row, slot] += increment
                totals[slot] += increment
                dirty[row, slot] = True
    return counted


@jit
def see(targets: Any, times_ms: Any, last_seen_ms: Any, dirty: Any) -> None:
    """Note when items were seen last; targets below 0 are none."""
    for event in range(len(targets)):
        row = targets[event]
        if row >= 0:
            last_seen_ms[row] = max(last_seen_ms[row], np.int64(times_ms[event]))
            dirty[row] = True


@jit
def _count_popularity(
    counts: Any,
    totals: Any,
    evidence: Any,
    dirty: Any,
    tops: Any,
    held: Any,
    targets: Any,
    grown: Any,
    weights: Any,
    sizes: Any,
) -> None:
    """Weigh each horizon by how likely it held the event, then count the event."""
    for event in range(len(targets)):
        row = targets[event]
        if row < 0:
            continue
        dirty[row] = True
        unseen = UNSEEN_SHARE / sizes[event]
        for h in range(grown.shape[1]):
            share = counts[row, h] / totals[h] if totals[h] > 0 else 0.0
            evidence[h] += (1 - EVIDENCE_KEPT) * (np.log(share + unseen) - evidence[h])
            increment = grown[event, h] * weights[event]
            counts[row, h] += increment
            totals[h] += increment
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
    grown: Any,
    worth: Any,
) -> None:
    half_lives = grown.shape[1]
    present = np.empty(half_lives, dtype=np.float32)
    for event in range(len(targets)):
        now = targets[event]
        if now < 0:
            continue
        for h in range(half_lives):
            present[h] = 1 / max(grown[event, h], LEAST_INCREMENT)
        for k in range(histories.shape[1]):
            before = histories[event, k]
            if before < 0:
                break
            step = np.float32((1.0 + k) ** -0.5)
            for direction in range(2):
                source, other = (before, now) if direction == 0 else (now, before)
                slot = _slot(ids[source], weights[source], other, present)
                if ids[source, slot] != other:
                    ids[source, slot] = other
                    weights[source, slot, :] = 0
                    ids_dirty[source, slot] = True
                weights_dirty[source, slot] = True
                totals_dirty[source] = True
                for h in range(half_lives):
                    channel = direction * half_lives + h
                    increment = step * (grown[event, h] * worth[event])
                    weights[source, slot, channel] += increment
                    totals[source, channel] += increment


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
