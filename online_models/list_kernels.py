"""The lists of a micro-batch, compiled: its events are counted as they are made.

One call makes them all: each costs as much as a list.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from online_models.awaited_kernels import (
    counts_of,
    logs_of,
    part_of,
    vector_of,
    without_padding,
    worth_of,
)
from online_models.candidate_kernels import propose
from online_models.compiled import jit
from online_models.content_kernels import alike, borrow, like, tell, unlike
from online_models.counting_kernels import count
from online_models.feature_kernels import finish, mixture, taste, write
from online_models.neighbour_kernels import follow, forget, second_hand


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
        history = without_padding(waiting.histories[n])
        words = like(history, worth_of(n, waiting), model.words.words, liked)
        found, size = _gather(n, history, words, waiting, model, scratch, liked)
        place = np.searchsorted(scratch.rows[:size], waiting.targets[n])
        written.lengths[n], written.places[n] = 0, -1
        if place < size and scratch.rows[place] == waiting.targets[n]:
            rows = written.rows[rows_end : rows_end + size]
            rows[:] = scratch.rows[:size]
            logs = logs_of(n, waiting, model, written, logs_end, size)
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
    rows_end, logs_end, at = 0, 0, counts_of(model)
    for n in range(len(waiting.targets)):
        size = written.lengths[n]
        logs = logs_of(n, waiting, model, written, logs_end, size)
        tasted = written.tastes[n, : 2 * (waiting.histories[n, 0] >= 0)]
        fields = model.fields[without_padding(waiting.slots[n])]
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
    vector = vector_of(n, waiting)
    near = waiting.near[n, : min(waiting.sizes[n], waiting.near.shape[1]) * (len(vector) > 0)]
    size = propose(
        history,
        part_of(waiting.barred, n),
        model.servable,
        found,
        scratch.neighbours,
        scratch.blends,
        model.tops,
        model.held,
        near,
        vector,
        model.outputs,
        part_of(waiting.nearest, n),
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
        without_padding(waiting.earlier[n]),
        vector_of(n, waiting),
        without_padding(waiting.slots[n]),
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
