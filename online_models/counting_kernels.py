"""The hot loop of the counting models, compiled. The learner's side of popularity and rules."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from online_models.agreed import EVERYTHING
from online_models.compiled import jit

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]

LEAST_INCREMENT = np.float32(2.0**-60)
"""Events that come later still compare neighbours as if they came that late."""
EVIDENCE_KEPT = 0.999
"""Of the horizons' mean log likelihood, per event: what counts is about the last 1,000."""
UNSEEN_SHARE = 0.1
"""The share of all events that a horizon is taken to leave for items that it does not hold."""


class Run(NamedTuple):
    """Events in order, as the counting models see them.

    Parameters
    ----------
    targets
        Rows of the items that were interacted with, of shape ``(n,)``; those below 0 don't count.
    histories
        What preceded each in its unit, newest first, padded with -1, of shape ``(n, window)``.
    slots
        Of the values of their contexts, padded with -1, of shape ``(n, most)``.
    weights
        By kind, of shape ``(n,)``.
    times_ms
        At which each counts, of shape ``(n,)``; the landmarks are recent enough for all.
    sizes
        How many rows the item table used at each, of shape ``(n,)``.
    popularity, rules, contexts
        What an event of weight 1 counts at these times, by half-life, ``(n, half-lives)``.
    """

    targets: Rows
    histories: Rows
    slots: Rows
    weights: Floats
    times_ms: Doubles
    sizes: Rows
    popularity: Floats
    rules: Floats
    contexts: Floats


class Counters(NamedTuple):
    """The tables that events count in, each with the marks of its changed cells."""

    last_seen_ms: Rows
    last_seen_dirty: Marks
    counts: Floats
    totals: Floats
    evidence: Doubles
    counts_dirty: Marks
    tops: Rows
    held: Rows
    established: Marks
    least: Any
    ids: npt.NDArray[np.int32]
    rule_weights: Floats
    rule_totals: Floats
    ids_dirty: Marks
    rule_weights_dirty: Marks
    rule_totals_dirty: Marks
    context_counts: Floats
    context_totals: Floats
    context_dirty: Marks


@jit
def count(run: Any, counters: Any, start: int, end: int) -> None:
    """Absorb the events from ``start`` to ``end`` of a run."""
    targets, weights = run.targets[start:end], run.weights[start:end]
    _see(targets, run.times_ms[start:end], counters.last_seen_ms, counters.last_seen_dirty)
    _count_popularity(
        counters.counts,
        counters.totals,
        counters.evidence,
        counters.counts_dirty,
        counters.tops,
        counters.held,
        counters.established,
        counters.least,
        targets,
        run.popularity[start:end],
        weights,
        run.sizes[start:end],
    )
    _count_rules(
        counters.ids,
        counters.rule_weights,
        counters.rule_totals,
        counters.ids_dirty,
        counters.rule_weights_dirty,
        counters.rule_totals_dirty,
        targets,
        run.histories[start:end],
        run.rules[start:end],
        weights,
    )
    _count_contexts(
        counters.context_counts,
        counters.context_totals,
        counters.context_dirty,
        targets,
        run.slots[start:end],
        run.contexts[start:end],
        weights,
    )


@jit
def _see(targets: Any, times_ms: Any, last_seen_ms: Any, dirty: Any) -> None:
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
    established: Any,
    least: Any,
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
        established[row] = counts[row, grown.shape[1] - 1] >= least


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


@jit
def _count_contexts(
    counts: Any,
    totals: Any,
    dirty: Any,
    targets: Any,
    slots: Any,
    grown: Any,
    weights: Any,
) -> None:
    for event in range(len(targets)):
        row = targets[event]
        if row < 0 or slots[event, 0] < 0:
            continue
        increment = grown[event, 0] * weights[event]
        counts[row, EVERYTHING] += increment
        totals[EVERYTHING] += increment
        dirty[row, EVERYTHING] = True
        for slot in slots[event]:
            if slot >= 0:
                counts[row, slot] += increment
                totals[slot] += increment
                dirty[row, slot] = True
