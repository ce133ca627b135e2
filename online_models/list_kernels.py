"""The lists of a micro-batch, compiled: its events are counted as they are made.

One call makes them all: each costs as much as a list.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from online_models.candidate_kernels import propose
from online_models.compiled import jit
from online_models.content_kernels import Words, alike, borrow, like, tell, unlike
from online_models.counting_kernels import count
from online_models.feature_kernels import BESIDE, finish, mixture, taste, write
from online_models.joined_kernels import Joined
from online_models.neighbour_kernels import follow, forget, second_hand

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Waiting(NamedTuple):
    """What lists are made of; the first dimension of each array is the lists'.

    Parameters
    ----------
    events
        Before which event of the run each stands.
    targets
        The rows that were chosen.
    histories, earlier, slots
        Padded with -1.
    vectors, near
        The encoder's queries, and about their scores of all rows; without rows where the index is
        not exact.
    barred, nearest
        Rows that must not be candidates, and that the index has found.
    worth, worth_ends
        What each word of the histories' items adds to what they like, of shape ``(items, words)``,
        and where those of each list end; without items where there is no catalogue.
    sizes
        How many rows the item table used.
    now_ms
        The stream's time.
    fresh
        What an event counts in the rules at that time, by half-life.
    few
        Events by whose word nobody goes, as they count in the contexts at that time.
    """

    events: Rows
    targets: Rows
    histories: Rows
    earlier: Rows
    slots: Rows
    vectors: Floats
    near: Floats
    barred: Joined
    nearest: Joined
    worth: Floats
    worth_ends: Rows
    sizes: Rows
    now_ms: Rows
    fresh: Floats
    few: Floats


class Model(NamedTuple):
    """What the lists ask of a model; see ``propose``, ``follow``, ``write`` and ``borrow``.

    ``described`` tells whether there is a catalogue, ``contents`` how many features tell of it.
    """

    servable: npt.NDArray[np.bool_]
    ids: npt.NDArray[np.int32]
    weights: Floats
    rule_totals: Floats
    norm: float
    by_position: Floats
    mix: Floats
    relays: int
    tops: Rows
    held: Rows
    counts: Floats
    totals: Floats
    evidence: npt.NDArray[np.float64]
    trust: float
    first_seen_ms: Rows
    unit_ms: float
    context_counts: Floats
    context_totals: Floats
    fields: Rows
    everything: int
    outputs: Floats
    inputs: Floats
    near: int
    most_alike: int
    log_times: Floats
    most: Rows
    described: bool
    words: Words
    contents: int
    peers: int


class Written(NamedTuple):
    """Where lists are written to, one after another.

    Parameters
    ----------
    table
        The features, of shape ``(candidates, features)``.
    logs
        What is to have a log, flat: of each list of shape ``(candidates, at + BESIDE + slots)``.
    rows
        The candidates, of shape ``(candidates,)``.
    tastes
        Of the histories, of shape ``(lists, 2)``.
    mixtures
        Of popularity's horizons, of shape ``(lists, horizons)``.
    lengths, places
        Of each list, and of its chosen candidate; 0 and -1 where nobody proposes it.
    """

    table: Floats
    logs: Floats
    rows: Rows
    tastes: npt.NDArray[np.float64]
    mixtures: Floats
    lengths: Rows
    places: Rows


@jit
def make(
    run: Any, counters: Any, waiting: Any, model: Any, scratch: Any, liked: Any, written: Any
) -> int:
    """Write all that stands before the logs; return how many numbers are to have one.

    The events of the run are counted, those up to the last list's.
    """
    rows_end, logs_end, counted = 0, 0, 0
    for n in range(len(waiting.targets)):
        count(run, counters, counted, waiting.events[n])
        counted = waiting.events[n]
        history = _held(waiting.histories[n])
        words = like(history, _worth(n, waiting), model.words.words, liked)
        found, size = _gather(n, history, words, waiting, model, scratch, liked)
        place = np.searchsorted(scratch.rows[:size], waiting.targets[n])
        written.lengths[n], written.places[n] = 0, -1
        if place < size and scratch.rows[place] == waiting.targets[n]:
            rows = written.rows[rows_end : rows_end + size]
            rows[:] = scratch.rows[:size]
            logs = _logs_of(n, waiting, model, written, logs_end, size)
            table = written.table[rows_end : rows_end + size]
            _tell(n, rows, history, found, waiting, model, scratch, logs, written, table)
            _tell_content(rows, words, model, liked, table[:, -model.contents :])
            written.lengths[n], written.places[n] = size, place
            rows_end, logs_end = rows_end + size, logs_end + logs.size
        forget(found, scratch.neighbours, scratch.places)
        unlike(words, liked)
    return logs_end


@jit
def complete(waiting: Any, model: Any, tastes: int, lifts: int, written: Any) -> None:
    """Write what comes of the logs; ``tastes`` and ``lifts`` are how many columns these take."""
    rows_end, logs_end, at = 0, 0, _at(model)
    for n in range(len(waiting.targets)):
        size = written.lengths[n]
        logs = _logs_of(n, waiting, model, written, logs_end, size)
        tasted = written.tastes[n, : 2 * (waiting.histories[n, 0] >= 0)]
        fields = model.fields[_held(waiting.slots[n])]
        table = written.table[rows_end : rows_end + size]
        if model.described:
            told, mixed = table[:, -model.contents :], written.mixtures[n]
            borrow(told, model.peers, at, model.mix, mixed, logs)
        finish(logs, tasted, fields, at, tastes, lifts, table)
        rows_end, logs_end = rows_end + size, logs_end + logs.size


@jit
def _gather(
    n: int, history: Any, words: int, waiting: Any, model: Any, scratch: Any, liked: Any
) -> Any:
    """Return how many neighbours and candidates a list has: the scratch holds them."""
    counts = model.counts[:, -1]
    rows, likeness, new = alike(words, model.words, counts, liked, scratch.lookup)
    found = follow(
        model.ids,
        model.weights,
        model.rule_totals,
        waiting.fresh[n],
        model.norm,
        model.by_position,
        model.mix,
        history,
        scratch.places,
        scratch.neighbours,
        scratch.sums,
        scratch.rests,
        scratch.newest,
        scratch.blends,
    )
    vector = _vector(n, waiting)
    near = waiting.near[n, : min(waiting.sizes[n], waiting.near.shape[1]) * (len(vector) > 0)]
    size = propose(
        history,
        _part(waiting.barred, n),
        model.servable,
        found,
        scratch.neighbours,
        scratch.blends,
        model.tops,
        model.held,
        near,
        vector,
        model.outputs,
        _part(waiting.nearest, n),
        rows,
        likeness,
        new,
        model.most,
        scratch.flags,
        scratch.rows,
    )
    return found, size


@jit
def _tell(
    n: int,
    rows: Any,
    history: Any,
    found: int,
    waiting: Any,
    model: Any,
    scratch: Any,
    logs: Any,
    written: Any,
    table: Any,
) -> None:
    """Write a list's features, but for those that come of the logs, and what has one."""
    now_ms, longest = waiting.now_ms[n], model.counts.shape[1] - 1
    written.mixtures[n] = mixture(model.evidence, model.trust)
    heard = second_hand(
        found,
        scratch.neighbours,
        scratch.blends,
        model.relays,
        model.ids,
        model.weights,
        model.rule_totals,
        waiting.fresh[n],
        model.norm,
        model.mix,
        rows,
        scratch.lookup,
    )
    write(
        rows,
        history,
        _held(waiting.earlier[n]),
        _vector(n, waiting),
        _held(waiting.slots[n]),
        scratch.places,
        scratch.sums,
        scratch.newest,
        heard,
        model.mix,
        model.counts,
        model.totals,
        written.mixtures[n],
        model.first_seen_ms,
        now_ms,
        model.unit_ms,
        model.context_counts,
        model.context_totals,
        waiting.few[n],
        model.everything,
        model.outputs,
        model.inputs,
        model.near,
        model.most_alike,
        model.log_times,
        logs,
        table,
    )
    counts, total = model.counts[:, longest], model.totals[longest]
    taste(history, counts, total, model.first_seen_ms, now_ms, model.unit_ms, written.tastes[n])


@jit
def _tell_content(rows: Any, words: int, model: Any, liked: Any, table: Any) -> None:
    """Write what the catalogue tells of a list, whose history likes so many words."""
    table[:] = 0
    if model.described:
        tell(rows, words, model.words, model.counts[:, -1], liked, table)


@jit
def _logs_of(n: int, waiting: Any, model: Any, written: Any, start: int, size: int) -> Any:
    width = _at(model) + BESIDE + len(_held(waiting.slots[n]))
    return written.logs[start : start + size * width].reshape(size, width)


@jit
def _worth(n: int, waiting: Any) -> Any:
    """Return what each word of a list's history adds; without items where nobody said."""
    ends = waiting.worth_ends
    return waiting.worth[ends[n - 1] if n else 0 : ends[n]]


@jit
def _at(model: Any) -> Any:
    """Return how many columns rules and popularity take, by channel and horizon."""
    return 2 * len(model.mix) + model.counts.shape[1]


@jit
def _vector(n: int, waiting: Any) -> Any:
    """Return a list's query; empty where there was nothing to read."""
    readable = waiting.histories[n, 0] >= 0 or waiting.earlier[n, 0] >= 0
    return waiting.vectors[n, : waiting.vectors.shape[1] * readable]


@jit
def _held(rows: Any) -> Any:
    """Return rows without the padding at their end."""
    held = 0
    while held < len(rows) and rows[held] >= 0:
        held += 1
    return rows[:held]


@jit
def _part(joined: Any, n: int) -> Any:
    return joined.rows[joined.ends[n - 1] if n else 0 : joined.ends[n]]
