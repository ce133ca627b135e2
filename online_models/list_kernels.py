"""The lists of a micro-batch, compiled: its events are counted as they are made.

One call makes them all: each costs as much as a list.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from online_models.awaited_kernels import (
    logs_of,
    part_of,
    vector_of,
    without_padding,
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
) -> Any:
    """Write all that stands before the logs; return how many numbers are to have one.

    The events of the run are counted, those up to the last list's.
    """
    at = 2 * len(model.mix) + model.counts.shape[1]
    zero: Any = np.int64(0)  # a plain one has what takes it compiled twice
    rows_end = logs_end = counted = zero
    for n in range(len(waiting.targets)):
        count(run, counters, counted, waiting.events[n])
        counted = waiting.events[n]
        history = without_padding(waiting.histories[n])
        worth = part_of(waiting.worth, waiting.worth_ends, n)
        words = like(history, worth, model.words.words, liked)
        found, size = _gather(n, history, words, waiting, model, scratch, liked)
        place = np.searchsorted(scratch.rows[:size], waiting.targets[n])
        written.lengths[n], written.places[n] = 0, -1
        if place < size and scratch.rows[place] == waiting.targets[n]:
            rows = written.rows[rows_end : rows_end + size]
            rows[:] = scratch.rows[:size]
            slots = without_padding(waiting.slots[n])
            logs = logs_of(written.logs, logs_end, size, at, slots)
            table = written.table[rows_end : rows_end + size]
            tasted, mixed = written.tastes[n], written.mixtures[n]
            mixed[:] = mixture(model.evidence, model.trust)
            _tell(
                *(n, rows, history, slots, found, waiting, model, scratch),
                *(mixed, logs, tasted, table),
            )
            told = table[:, -model.contents :]
            told[:] = 0
            if model.described:
                tell(rows, words, model.words, model.counts[:, -1], liked, told)
            written.lengths[n], written.places[n] = size, place
            rows_end, logs_end = rows_end + size, logs_end + logs.size
        forget(found, scratch.neighbours, scratch.places)
        unlike(words, liked)
    return logs_end


@jit
def complete(waiting: Any, model: Any, tastes: int, lifts: int, written: Any) -> None:
    """Write what comes of the logs; ``tastes`` and ``lifts`` are how many columns these take."""
    at = 2 * len(model.mix) + model.counts.shape[1]
    zero: Any = np.int64(0)
    rows_end = logs_end = zero
    for n in range(len(waiting.targets)):
        size = written.lengths[n]
        slots = without_padding(waiting.slots[n])
        logs = logs_of(written.logs, logs_end, size, at, slots)
        tasted = written.tastes[n, : 2 * (waiting.histories[n, 0] >= 0)]
        fields = model.fields[slots]
        table = written.table[rows_end : rows_end + size]
        if model.described:
            told = table[:, -model.contents :]
            borrow(told, model.peers, at, model.mix, written.mixtures[n], logs)
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
    vector = vector_of(waiting.vectors, waiting.histories, waiting.earlier, n)
    near = waiting.near[n, : waiting.near.shape[1] * (len(vector) > 0)]
    size = propose(
        history,
        part_of(waiting.barred.rows, waiting.barred.ends, n),
        model.servable,
        found,
        scratch.neighbours,
        scratch.blends,
        model.tops,
        model.held,
        near,
        model.indexed,
        model.offered,
        model.rising,
        model.established,
        vector,
        model.outputs,
        part_of(waiting.nearest.rows, waiting.nearest.ends, n),
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
    slots: Any,
    found: int,
    waiting: Any,
    model: Any,
    scratch: Any,
    mixed: Any,
    logs: Any,
    tasted: Any,
    table: Any,
) -> None:
    """Write a list's features, but for those that come of the logs, and what has one."""
    now_ms, longest = waiting.now_ms[n], model.counts.shape[1] - 1
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
        vector_of(waiting.vectors, waiting.histories, waiting.earlier, n),
        slots,
        scratch.places,
        scratch.sums,
        scratch.newest,
        heard,
        model.mix,
        model.counts,
        model.totals,
        mixed,
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
    taste(history, counts, total, model.first_seen_ms, now_ms, model.unit_ms, tasted)
