"""The candidates of one list, compiled: the same as ``Retriever`` finds, many times cheaper.

Rows are looked up in ``Scratch`` instead of being sorted and searched for: it has a cell for each
row of the model, and is as good as new after each list.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from online_models.compiled import jit

BARRED, PROPOSED = 1, 2


class Scratch:
    """What the kernels write besides their results.

    Parameters
    ----------
    rows
        Of the model's tables.
    most
        Neighbours that one history may have.
    channels
        Of the rules.
    """

    def __init__(self, rows: int, most: int, channels: int) -> None:
        self.places = np.full(rows, -1, dtype=np.int32)  # of a row among the neighbours
        self.flags = np.zeros(rows, dtype=np.uint8)
        self.neighbours = np.zeros(most, dtype=np.int64)
        self.sums = np.zeros((most, channels), dtype=np.float32)
        self.rests = np.zeros((most, channels), dtype=np.float32)
        self.newest = np.zeros((most, channels), dtype=np.float32)
        self.rows = np.zeros(rows, dtype=np.int64)


@jit
def follow(
    ids: Any,
    weights: Any,
    norms: Any,
    history: Any,
    places: Any,
    neighbours: Any,
    sums: Any,
    rests: Any,
    newest: Any,
) -> int:
    """Sum the rules of a history, newest first; return how many neighbours there are."""
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
def propose(
    history: Any,
    barred: Any,
    servable: Any,
    found: int,
    neighbours: Any,
    sums: Any,
    mix: Any,
    tops: Any,
    held: Any,
    near: Any,
    most: Any,
    flags: Any,
    rows: Any,
) -> int:
    """Write what the sources propose to ``rows``, in rising order; return how many.

    ``most`` holds the most that popularity, rules, encoder and the history itself may propose.
    """
    for row in barred:
        flags[row] = BARRED
    count = _popular(tops, held, servable, most[0], flags, rows)
    count = _ruled(found, neighbours, sums, mix, servable, most[1], flags, rows, count)
    count = _near(near, servable, most[2], flags, rows, count)
    for k in range(min(len(history), most[3])):
        count = _add(history[k], servable, flags, rows, count)
    for row in barred:
        flags[row] = 0
    for place in range(count):
        flags[rows[place]] = 0
    rows[:count].sort()
    return count


@jit
def describe(
    rows: Any,
    history: Any,
    places: Any,
    sums: Any,
    newest: Any,
    counts: Any,
    totals: Any,
    logs: Any,
    recency: Any,
    times: Any,
    ruled: Any,
) -> None:
    """Write what is known of candidates but for the encoder's and their ages."""
    channels = sums.shape[1]
    least, least_share = np.float32(1e-2), np.float32(1e-6)
    for n in range(len(rows)):
        row = rows[n]
        place = places[row]
        any_rule = False
        for c in range(channels):
            both = sums[place, c] if place >= 0 else np.float32(0)
            last = newest[place, c] if place >= 0 else np.float32(0)
            any_rule |= both != 0
            logs[n, c] = both + least
            logs[n, channels + c] = last + least
        for h in range(counts.shape[1]):
            total = max(totals[h], np.float32(1e-30))
            logs[n, 2 * channels + h] = counts[row, h] / total + least_share
        ruled[n] = any_rule
        recency[n] = 0
        times[n] = 0
    for k in range(len(history) - 1, -1, -1):
        n = np.searchsorted(rows, history[k])
        if n < len(rows) and rows[n] == history[k]:
            recency[n] = 1 / (1 + k)
            times[n] += 1


@jit
def forget(found: int, neighbours: Any, places: Any) -> None:
    """Make the scratch as good as new."""
    for place in range(found):
        places[neighbours[place]] = -1


@jit
def _add(row: int, servable: Any, flags: Any, rows: Any, count: int) -> int:
    if flags[row] == 0 and servable[row]:
        flags[row] = PROPOSED
        rows[count] = row
        return count + 1
    return count


@jit
def _popular(tops: Any, held: Any, servable: Any, most: int, flags: Any, rows: Any) -> int:
    count = 0
    for h in range(len(held)):
        taken = 0
        for n in range(held[h]):
            row = tops[h, n]
            if servable[row] and flags[row] != BARRED:
                count = _add(row, servable, flags, rows, count)
                taken += 1
                if taken == most:
                    break
    return count


@jit
def _ruled(
    found: int,
    neighbours: Any,
    sums: Any,
    mix: Any,
    servable: Any,
    most: int,
    flags: Any,
    rows: Any,
    count: int,
) -> int:
    keys, best, size = np.empty(most, dtype=np.float32), np.empty(most, dtype=np.int64), 0
    for place in range(found):
        row = neighbours[place]
        if servable[row] and flags[row] != BARRED:
            blend = np.float32(0)
            for c in range(len(mix)):
                blend += sums[place, c] * mix[c]
            size = _keep(keys, best, size, float(blend), row)
    for n in range(size):
        count = _add(best[n], servable, flags, rows, count)
    return count


@jit
def _near(near: Any, servable: Any, most: int, flags: Any, rows: Any, count: int) -> int:
    keys, best, size = np.empty(most, dtype=np.float32), np.empty(most, dtype=np.int64), 0
    for row in range(len(near)):
        score = near[row]
        if score == -np.inf:
            continue
        if (size < most or score > keys[0]) and servable[row] and flags[row] != BARRED:
            size = _keep(keys, best, size, score, row)
    for n in range(size):
        count = _add(best[n], servable, flags, rows, count)
    return count


@jit
def _keep(keys: Any, rows: Any, size: int, key: float, row: int) -> int:
    """Put a row into a heap of the best, the worst on top; return the heap's size."""
    if size < len(keys):
        at = size
        while at and _worse(key, row, keys[(at - 1) // 2], rows[(at - 1) // 2]):
            keys[at], rows[at] = keys[(at - 1) // 2], rows[(at - 1) // 2]
            at = (at - 1) // 2
        keys[at], rows[at] = key, row
        return size + 1
    if _worse(key, row, keys[0], rows[0]):
        return size
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and _worse(keys[child + 1], rows[child + 1], keys[child], rows[child]):
            child += 1
        if not _worse(keys[child], rows[child], key, row):
            break
        keys[at], rows[at] = keys[child], rows[child]
        at = child
    keys[at], rows[at] = key, row
    return size


@jit
def _worse(key: float, row: int, other_key: float, other_row: int) -> bool:
    return bool(key < other_key or (key == other_key and row > other_row))
