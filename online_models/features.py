"""What the ranker sees of a candidate; ``feature_names`` has the names, in the same order."""

from __future__ import annotations

from math import log1p

import numpy as np
import numpy.typing as npt

from online_models.content_source import borrow
from online_models.feature_names import CONTENT, LIFTS, OTHERS, TASTE
from online_models.likeness import ENCODED, write_shortfalls
from online_models.retrieval import Candidates, visits
from online_models.rows import Rows
from online_models.state import ModelState

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
HOUR_MS = 3_600_000.0
VISITS = 8
"""Features of what the unit and the user's other ones hold, just before the age."""


def features(state: ModelState, candidates: Candidates) -> Floats:
    """Return the features of candidates, of shape ``(n, features)``; counts are on a log scale."""
    rows, history = candidates.rows, candidates.asked.history
    both, horizons = candidates.followers.shape[1], candidates.shares.shape[1]
    at = both + horizons
    # By column, as most columns are written, and standardised, one by one.
    table = np.empty((len(rows), at + len(OTHERS) + len(CONTENT)), dtype=np.float32, order="F")
    counts = table[:, : at + 1]  # before what stands there in the end
    np.add(candidates.followers, np.float32(1e-2), out=counts[:, :both])
    np.add(candidates.shares, np.float32(1e-6), out=counts[:, both:at])
    np.add(candidates.heard, np.float32(1e-3), out=counts[:, at])
    if state.content.used:
        borrow(counts, candidates.content)
    write_shortfalls(state, counts, table[:, at + ENCODED : at + ENCODED + 4])
    np.log(counts[:, :at], out=table[:, :at])
    popular = table[:, at - 1]
    table[:, at : at + ENCODED] = candidates.encoded
    table[:, -len(CONTENT) :] = candidates.content
    at += ENCODED + 4
    _write_visits(state, candidates, table[:, at : at + VISITS])
    at += VISITS
    log_hours = _log_hours(state, np.concatenate((rows, history)))
    table[:, at] = log_hours[: len(rows)]
    own = table[:, at + 1 :]
    write_taste(state, history, log_hours[len(rows) :], popular, table[:, at], own[:, :TASTE])
    fields = state.contexts.fields.of(candidates.asked.slots)
    write_lifts(candidates.lifts, fields, own[:, TASTE : TASTE + LIFTS])
    return table


def _write_visits(state: ModelState, candidates: Candidates, table: Floats) -> None:
    """Write what is known of candidates from the unit and the other ones, to ``(n, VISITS)``."""
    history, earlier = candidates.asked.history, candidates.asked.earlier
    columns = table.T
    columns[0] = candidates.recency
    np.log1p(candidates.times, out=columns[1], casting="same_kind")
    columns[2] = candidates.recency == 1
    columns[3] = state.rules.blend(candidates.rules) > 0
    columns[4] = log1p(len(history))
    columns[5] = len(set(history.tolist())) / max(1, len(history))
    columns[6] = visits(candidates.rows, earlier)[0] if len(earlier) else 0
    columns[7] = log1p(len(earlier))


def write_taste(
    state: ModelState,
    history: Rows,
    log_hours: Doubles,
    popular: Floats,
    aged: Floats,
    table: Floats,
) -> None:
    """Write how popular and how old a history's items are, and how unlike each candidate is.

    Some look for what all look for, some for the rare; some for the new, some for the old.

    Parameters
    ----------
    log_hours
        The logs of the ages of the history's items.
    popular, aged
        The log shares of the candidates by the longest horizon, and the logs of their ages, each of
        shape ``(n,)``.
    table
        Of shape ``(n, TASTE)``: the history's mean log share, by how much a candidate's is more or
        less, and the same of the ages; all 0 without a history.
    """
    if not len(history):
        table[:] = 0
        return
    shares = state.popularity.shares(history)[:, -1]
    share = np.add.reduce(np.log(shares + np.float32(1e-6))) / np.float32(len(history))
    age = np.float32(np.add.reduce(log_hours) / len(history))
    columns = table.T
    columns[0], columns[2] = share, age
    np.abs(np.subtract(popular, share, out=columns[1]), out=columns[1])
    np.abs(np.subtract(aged, age, out=columns[3]), out=columns[3])


def write_lifts(lifts: Floats, fields: Rows, table: Floats) -> None:
    """Write sum, largest and least of each candidate's lifts, then the lift by each field.

    All are 0 where the context is not known.

    Parameters
    ----------
    lifts
        Of shape ``(n, values)``.
    fields
        The number of each value's field, of shape ``(values,)``.
    table
        Of shape ``(n, LIFTS)``.
    """
    columns = table.T
    columns[:] = 0
    if lifts.shape[1]:
        by_value = np.ascontiguousarray(lifts.T)  # (values, n): many times as fast to add up
        columns[3 + fields] = by_value  # a field without a number is written over by the least
        np.add.reduce(by_value, axis=0, out=columns[0])
        np.maximum.reduce(by_value, axis=0, out=columns[1])
        np.minimum.reduce(by_value, axis=0, out=columns[2])


def _log_hours(state: ModelState, rows: Rows) -> Doubles:
    ages_ms = state.progress.time_ms - state.items.first_seen_ms.array.take(rows)
    hours: Doubles = np.maximum(ages_ms, 0) / HOUR_MS
    return np.log1p(hours, out=hours)
