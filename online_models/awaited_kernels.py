"""What lists are made of, and where they are written to, as kernels take it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from online_models.compiled import jit
from online_models.content_kernels import Words
from online_models.feature_kernels import BESIDE
from online_models.joined_kernels import Joined

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


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
        The encoder's queries, and about their scores of all rows that are indexed; of none where
        the index is not exact.
    barred, nearest
        Rows that must not be candidates, and that the index has found.
    worth, worth_ends
        What each word of the histories' items adds to what they like, of shape ``(items, words)``,
        and where those of each list end; without items where there is no catalogue.
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
    now_ms: Rows
    fresh: Floats
    few: Floats


class Model(NamedTuple):
    """What the lists ask of a model; see ``propose``, ``follow``, ``write`` and ``borrow``.

    ``described`` tells whether there is a catalogue, ``contents`` how many features tell of it.
    """

    servable: Mask
    indexed: Rows
    offered: Mask
    rising: Rows
    established: Mask
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
def logs_of(logs: Any, start: int, size: int, at: int, slots: Any) -> Any:
    """Return where the logs of a list are: of so many candidates, and ``at`` counts of each."""
    width = at + BESIDE + len(slots)
    return logs[start : start + size * width].reshape(size, width)


@jit
def vector_of(vectors: Any, histories: Any, earlier: Any, n: int) -> Any:
    """Return a list's query; empty where there was nothing to read."""
    readable = histories[n, 0] >= 0 or earlier[n, 0] >= 0
    return vectors[n, : vectors.shape[1] * readable]


@jit
def without_padding(rows: Any) -> Any:
    """Return rows without the padding at their end."""
    held = 0
    while held < len(rows) and rows[held] >= 0:
        held += 1
    return rows[:held]


@jit
def part_of(together: Any, ends: Any, n: int) -> Any:
    """Return what is one list's of what is one after another."""
    return together[ends[n - 1] if n else 0 : ends[n]]
