"""The features of one list, compiled: the same as ``features``.

``write`` comes first, then numpy's log of what is on a log scale, which is several times as fast
for a whole table as that of single numbers here, and then ``finish``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from online_models.compiled import jit, jit_sums

OWN = 8
"""Columns between what rules and popularity say and what the history does; see ``OTHERS``."""
BESIDE = 5
"""Columns of ``logs`` between what rules and popularity say and the lifts: rules at second hand,
three blends, and the age."""


@jit
def write(
    rows: Any,
    history: Any,
    earlier: Any,
    vector: Any,
    slots: Any,
    places: Any,
    sums: Any,
    newest: Any,
    heard: Any,
    mix: Any,
    counts: Any,
    totals: Any,
    mixture: Any,
    first_seen_ms: Any,
    now_ms: int,
    unit_ms: float,
    context_counts: Any,
    context_totals: Any,
    few: Any,
    everything: int,
    outputs: Any,
    inputs: Any,
    near: int,
    most_alike: int,
    log_times: Any,
    logs: Any,
    table: Any,
) -> None:
    """Write what has no log, to ``table``, and what is to have one, to ``logs``.

    ``logs`` holds what rules and popularity say by channel and horizon, what is ``heard`` of rules
    at second hand, their blends, the age, and the lifts by each value of the context.

    Parameters
    ----------
    vector
        The query; empty where there is none.
    near, most_alike
        Which input vector of so many of the history's items a candidate is compared with.
    """
    at = 2 * sums.shape[1] + counts.shape[1]
    own = table[:, at + OWN :]
    _count(rows, places, sums, newest, mix, counts, totals, mixture, logs, own[:, 3])
    for n in range(len(rows)):
        logs[n, at] = heard[n] + np.float32(1e-3)
        logs[n, at + 4] = 1 + max(now_ms - first_seen_ms[rows[n]], 0) / unit_ms
    lifts = logs[:, at + BESIDE :]
    _lift(rows, slots, context_counts, context_totals, few, everything, lifts)
    if len(vector):
        alike = table[:, at : at + OWN - 4]
        _liken(rows, vector, outputs, inputs, near, history[:most_alike], alike)
    else:
        table[:, at : at + OWN - 4] = 0
    _recall(rows, history, log_times, own)
    _recollect(rows, earlier, log_times, own[:, 6:8])


@jit_sums
def mixture(evidence: Any, trust: float) -> Any:
    """Return how popularity's horizons are blended, see ``Popularity.blend``."""
    weights = np.exp(trust * (evidence - evidence.max()))
    return (weights / weights.sum()).astype(np.float32)


@jit_sums
def taste(
    history: Any, counts: Any, total: Any, first_seen_ms: Any, now_ms: int, unit_ms: float, own: Any
) -> None:
    """Write a history's mean log share, by the longest horizon, and mean log age to ``own``."""
    share, age = np.float32(0), np.float32(0)
    for row in history:
        share += np.log(counts[row] / max(total, np.float32(1e-30)) + np.float32(1e-6))
        age += np.log1p(np.float32(max(now_ms - first_seen_ms[row], 0) / unit_ms))
    own[0], own[1] = share / max(1, len(history)), age / max(1, len(history))


@jit
def finish(
    logs: Any, tasted: Any, fields: Any, at: int, tastes: int, lifts: int, table: Any
) -> None:
    """Write what comes of the logs; ``at`` is where what rules and popularity say ends.

    Parameters
    ----------
    tasted
        What ``taste`` wrote; empty without a history.
    fields
        Of the context's values.
    tastes, lifts
        How many columns these take.
    """
    for n in range(len(table)):
        for c in range(at):
            table[n, c] = logs[n, c]
        table[n, at + OWN + 8] = logs[n, at + 4]
    _compare(logs[:, at : at + 4], table[:, at + OWN - 4 : at + OWN])
    own = table[:, at + OWN + 9 :]
    _taste(tasted, table[:, at - 1], table[:, at + OWN + 8], own[:, :tastes])
    _sum_up(logs[:, at + BESIDE :], fields, own[:, tastes : tastes + lifts])


@jit_sums
def _count(
    rows: Any,
    places: Any,
    sums: Any,
    newest: Any,
    mix: Any,
    counts: Any,
    totals: Any,
    mixture: Any,
    logs: Any,
    ruled: Any,
) -> None:
    """Write what rules and popularity say of each candidate to ``logs``: first by channel and
    horizon, rules, rules of the newest item, popularity; then each source's blend.

    Parameters
    ----------
    mix, mixture
        How rules' channels, and popularity's horizons, are blended.
    ruled
        Gets whether any rule knows a candidate.
    """
    channels, horizons = sums.shape[1], counts.shape[1]
    least, least_share = np.float32(1e-2), np.float32(1e-6)
    at = 2 * channels + horizons
    per_total = np.empty(horizons, dtype=np.float32)
    for h in range(horizons):
        per_total[h] = 1 / max(totals[h], np.float32(1e-30))
    for n in range(len(rows)):
        row, place = rows[n], places[rows[n]]
        any_rule, both, last, popular = False, np.float32(0), np.float32(0), np.float32(0)
        for c in range(channels):
            rule = sums[place, c] if place >= 0 else np.float32(0)
            any_rule |= rule != 0
            logs[n, c] = rule + least
            both += mix[c] * logs[n, c]
        for c in range(channels):
            rule = newest[place, c] if place >= 0 else np.float32(0)
            logs[n, channels + c] = rule + least
            last += mix[c] * logs[n, channels + c]
        for h in range(horizons):
            share = counts[row, h] * per_total[h] + least_share
            logs[n, 2 * channels + h] = share
            popular += mixture[h] * share
        logs[n, at + 1], logs[n, at + 2], logs[n, at + 3] = both, last, popular
        ruled[n] = any_rule


@jit
def _lift(
    rows: Any, slots: Any, counts: Any, totals: Any, few: Any, everything: int, logs: Any
) -> None:
    """Write what each value of the context multiplies each candidate's share by; see ``lifts``."""
    for n in range(len(rows)):
        row = rows[n]
        share = counts[row, everything] / max(totals[everything], few) + np.float32(1e-6)
        for k in range(len(slots)):
            slot = slots[k]
            expected = (totals[slot] + few) * share
            logs[n, k] = (counts[row, slot] + few * share) / expected


@jit_sums
def _liken(
    rows: Any, vector: Any, outputs: Any, inputs: Any, near: int, history: Any, table: Any
) -> None:
    """Write what ``likeness.encoded`` tells, by the items of a history that it compares with."""
    dimensions = inputs.shape[2]
    best = np.float32(-np.inf)
    for n in range(len(rows)):
        row, score = rows[n], vector[dimensions] * outputs[rows[n], dimensions]
        for d in range(dimensions):
            score += vector[d] * outputs[row, d]
        table[n, 0] = score
        best = max(best, score)
        largest = np.float32(-np.inf) if len(history) else np.float32(0)
        table[n, 2] = 0
        for k in range(len(history)):
            item, product = history[k], np.float32(0)
            for d in range(dimensions):
                product += inputs[item, near, d] * outputs[row, d]
            largest = max(largest, product)
            if k == 0:
                table[n, 2] = product
        table[n, 3] = largest
    for n in range(len(rows)):
        table[n, 1] = table[n, 0] - best


@jit
def _recall(rows: Any, history: Any, log_times: Any, own: Any) -> None:
    """Write where the history itself has each candidate: recency, how often, whether it is newest.

    ``own`` also gets how long the history is, and how many of its items are distinct.
    """
    distinct = 0
    own[:, :3] = 0
    times = np.zeros(len(rows), dtype=np.int64)
    for k in range(len(history) - 1, -1, -1):
        repeated = False
        for older in range(k + 1, len(history)):
            repeated |= history[older] == history[k]
        distinct += not repeated
        n = np.searchsorted(rows, history[k])
        if n < len(rows) and rows[n] == history[k]:
            times[n] += 1
            own[n, 0] = 1 / (1 + k)
            own[n, 1] = log_times[times[n]]
            own[n, 2] = k == 0
    for n in range(len(rows)):
        own[n, 4] = log_times[len(history)]
        own[n, 5] = distinct / max(1, len(history))


@jit
def _recollect(rows: Any, earlier: Any, log_times: Any, table: Any) -> None:
    """Write each candidate's recency among the items of other units, and how many these are."""
    table[:, 0] = 0
    table[:, 1] = log_times[len(earlier)]
    for k in range(len(earlier) - 1, -1, -1):
        n = np.searchsorted(rows, earlier[k])
        if n < len(rows) and rows[n] == earlier[k]:
            table[n, 0] = 1 / (1 + k)


@jit
def _taste(tasted: Any, popular: Any, aged: Any, table: Any) -> None:
    """Write what ``features.write_taste`` does."""
    table[:] = 0
    if not len(tasted):
        return
    share, age = tasted[0], tasted[1]
    for n in range(len(table)):
        table[n, 0], table[n, 1] = share, abs(popular[n] - share)
        table[n, 2], table[n, 3] = age, abs(aged[n] - age)


@jit
def _compare(logs: Any, table: Any) -> None:
    """Write by how much each column falls short of its best; what is no number stays alone."""
    for c in range(logs.shape[1]):
        best = np.float32(-np.inf)
        for n in range(len(logs)):
            if logs[n, c] > best:
                best = logs[n, c]
        for n in range(len(logs)):
            table[n, c] = logs[n, c] - best


@jit
def _sum_up(lifts: Any, fields: Any, table: Any) -> None:
    """Write what ``features.write_lifts`` does."""
    table[:] = 0
    if not lifts.shape[1]:
        return
    for n in range(len(lifts)):
        total, most, least = np.float32(0), np.float32(-np.inf), np.float32(np.inf)
        for k in range(lifts.shape[1]):
            total += lifts[n, k]
            most = max(most, lifts[n, k])
            least = min(least, lifts[n, k])
            if fields[k] >= 0:
                table[n, 3 + fields[k]] = lifts[n, k]
        table[n, 0], table[n, 1], table[n, 2] = total, most, least
