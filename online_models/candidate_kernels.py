"""The candidates of one list, compiled: the same as ``Retriever`` finds, many times cheaper.

Rows are looked up in ``Scratch`` instead of being sorted and searched for: it has a cell for each
row of the model, and is as good as new after each list. Loops call nothing that takes arrays: to
count who refers to them takes longer than what they hold.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from online_models.agreed import ALONE, ROUNDING
from online_models.compiled import jit, jit_sums
from online_models.selection_kernels import better, cut

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

BARRED, PROPOSED = 1, 2


class Scratch(NamedTuple):
    """What the kernels write besides their results."""

    places: npt.NDArray[np.int32]
    """Of a row among the neighbours, -1 of all others."""
    flags: npt.NDArray[np.uint8]
    neighbours: Rows
    sums: Floats
    rests: Floats
    newest: Floats
    blends: Floats
    rows: Rows
    lookup: npt.NDArray[np.int32]
    """Of a row among the candidates, -1 of all others; one more, which row -1 is led to."""

    @classmethod
    def made(cls, rows: int, most: int, channels: int) -> Scratch:
        """Return room for a model of so many rows.

        Parameters
        ----------
        most
            Neighbours that one history may have.
        channels
            Of the rules.
        """
        sums, rests, newest = np.zeros((3, most, channels), dtype=np.float32)
        return cls(
            places=np.full(rows, -1, dtype=np.int32),
            flags=np.zeros(rows, dtype=np.uint8),
            neighbours=np.zeros(most, dtype=np.int64),
            sums=sums,
            rests=rests,
            newest=newest,
            blends=np.zeros(most, dtype=np.float32),
            rows=np.zeros(rows, dtype=np.int64),
            lookup=np.full(rows + 1, -1, dtype=np.int32),
        )


@jit
def propose(
    history: Any,
    barred: Any,
    servable: Any,
    found: int,
    neighbours: Any,
    blends: Any,
    tops: Any,
    held: Any,
    near: Any,
    indexed: Any,
    offered: Any,
    rising: Any,
    established: Any,
    vector: Any,
    outputs: Any,
    nearest: Any,
    alike: Any,
    likeness: Any,
    new: int,
    most: Any,
    flags: Any,
    rows: Any,
) -> int:
    """Write what the sources propose to ``rows``, in rising order; return how many.

    The encoder's are the best that are ``established`` by ``vector`` and ``outputs``, where
    ``near`` has about these scores of all that are ``indexed``, or else the first of ``nearest``;
    some of those ``rising`` may be established by now, and ``offered`` tells which of the indexed
    may be shown. The catalogue's are the best of ``alike`` by ``likeness``, and of its first
    ``new``, which had no event. ``most`` holds the most that popularity, rules, encoder, the
    history itself and the catalogue may propose, this one of each kind: 0 for a source that nobody
    listens to. Popularity may propose ``ALONE`` times as many where there is no ``vector``.
    """
    for row in barred:
        flags[row] = BARRED
    own, popular = history[: most[3]], most[0] * (1 if len(vector) else ALONE)
    bound = len(held) * popular + most[1] + 2 * (most[2] + most[4]) + len(own)
    several = np.empty(bound, dtype=np.int64)  # some by more than one
    count: Any = np.int64(0)  # a plain 0 has what takes it compiled twice
    for h in range(len(held)):
        count = _first(tops[h, : held[h]], servable, popular, flags, several, count)
    count = _strongest(found, neighbours, blends, servable, most[1], flags, several, count)
    if len(vector) and most[2]:
        least = _least(near, offered, most[2] + len(barred))
        risen = rising[established[rising] & servable[rising]]
        count = _near(
            near, least, indexed, offered, risen, vector, outputs, most[2], flags, several, count
        )
    count = _first(nearest[established[nearest]], servable, most[2], flags, several, count)
    count = _first(own, servable, len(own), flags, several, count)
    for among in (new, len(alike)):
        count = _strongest(among, alike, likeness, servable, most[4], flags, several, count)
    return _once(several[:count], barred, flags, rows)


@jit
def _first(found: Any, servable: Any, most: int, flags: Any, rows: Any, count: int) -> int:
    """Add the first that may be shown to ``rows``; return how many are there now."""
    end = count + most
    for row in found:
        if count == end:
            break
        if servable[row] and flags[row] != BARRED:
            rows[count] = row
            count += 1
    return count


@jit
def _once(several: Any, barred: Any, flags: Any, rows: Any) -> int:
    """Write each row once, in rising order, and make the flags as good as new."""
    count = 0
    for row in several:
        if flags[row] != PROPOSED:
            flags[row] = PROPOSED
            rows[count] = row
            count += 1
    for row in barred:
        flags[row] = 0
    for place in range(count):
        flags[rows[place]] = 0
    rows[:count].sort()
    return count


@jit
def _strongest(
    found: int,
    neighbours: Any,
    blends: Any,
    servable: Any,
    most: int,
    flags: Any,
    rows: Any,
    count: int,
) -> Any:
    if not most:
        return count
    keys, best = np.empty(2 * most, dtype=np.float32), np.empty(2 * most, dtype=np.int64)
    size: Any = np.int64(0)  # a plain 0 has what takes it compiled twice
    least, worst = np.float32(-np.inf), -1
    for place in range(found):
        row, blend = neighbours[place], blends[place]
        if better(blend, row, least, worst) and servable[row] and flags[row] != BARRED:
            keys[size], best[size] = blend, row
            size += 1
            if size == 2 * most:
                size = cut(keys, best, size, most)
                least, worst = keys[most - 1], best[most - 1]
    size = cut(keys, best, size, most)
    rows[count : count + size] = best[:size]
    return count + size


@jit
def _near(
    near: Any,
    least: Any,
    indexed: Any,
    offered: Any,
    risen: Any,
    vector: Any,
    outputs: Any,
    most: int,
    flags: Any,
    rows: Any,
    count: int,
) -> int:
    """Propose the best by scores that are made here, of the risen and those near enough.

    Linear algebra adds up in another order for one query than for several at once, and lists must
    not depend on how many are made at once.
    """
    least -= np.float32(ROUNDING) * (1 + abs(least))
    room = 3 * most + len(risen)
    keys, best = np.empty(room, dtype=np.float32), np.empty(room, dtype=np.int64)
    zero: Any = np.int64(0)  # a plain one has what takes it compiled twice
    size = scored = zero
    for row in risen:
        if flags[row] != BARRED:
            best[size] = row
            size += 1
    for place in range(len(near)):
        row = indexed[place]
        if near[place] >= least and flags[row] != BARRED and offered[place]:
            best[size] = row
            size += 1
            if size == len(best):
                size = scored = _best(vector, outputs, keys, best, scored, size, most)
    size = _best(vector, outputs, keys, best, scored, size, most)
    rows[count : count + size] = best[:size]
    return count + size


@jit
def _best(
    vector: Any, outputs: Any, keys: Any, rows: Any, scored: int, size: int, most: int
) -> int:
    """Score the rows from ``scored`` on, and move the best to the front; return how many."""
    _score(vector, outputs, rows[scored:size], keys[scored:size])
    return cut(keys, rows, size, most)


@jit
def _least(near: Any, offered: Any, rank: int) -> Any:
    """Return a score that at least ``rank`` of those offered reach, where there are so many.

    Few more do: it is the best but so many of the best of groups, of which there are four for each
    row that is wanted, so that few hold two. The groups take turns: the best of several of them are
    found at a time.
    """
    groups = 4 * rank
    best = np.full(groups, -np.inf, dtype=np.float32)
    for start in range(0, len(near), groups):
        _raise(best, near[start : start + groups], offered[start : start + groups])
    cut(best, np.arange(groups), groups, rank)
    return best[rank - 1]


@jit
def _raise(best: Any, scores: Any, offered: Any) -> None:
    for n in range(len(scores)):
        score = scores[n] if offered[n] else np.float32(-np.inf)
        best[n] = score if score > best[n] else best[n]  # noqa: FURB136 - see ``standardise``


@jit_sums
def _score(vector: Any, outputs: Any, rows: Any, scores: Any) -> None:
    for n in range(len(rows)):
        row, score = rows[n], np.float32(0)
        for d in range(len(vector)):
            score += vector[d] * outputs[row, d]
        scores[n] = score
