"""What the ranker sees of a candidate; ``feature_names`` has the names, in the same order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models.content_source import borrow
from online_models.feature_names import CONTENT, LIFTS, OTHERS, TASTE
from online_models.likeness import ENCODED, write_shortfalls
from online_models.retrieval import Candidates, recency
from online_models.rows import Rows, distinct, member
from online_models.state import ModelState

Floats = npt.NDArray[np.float32]
HOUR_MS = 3_600_000.0


def features(state: ModelState, candidates: Candidates) -> Floats:
    """Return the features of candidates, of shape ``(n, features)``; counts are on a log scale."""
    rows, history = candidates.rows, candidates.asked.history
    channels, horizons = candidates.rules.shape[1], candidates.shares.shape[1]
    at = 2 * channels + horizons
    table = np.empty((len(rows), at + len(OTHERS) + len(CONTENT)), dtype=np.float32, order="F")
    table[:, -len(CONTENT) :] = candidates.content
    counts = np.empty((len(rows), at), dtype=np.float32, order="F")
    np.add(candidates.rules, np.float32(1e-2), out=counts[:, :channels])
    np.add(candidates.last_rules, np.float32(1e-2), out=counts[:, channels : 2 * channels])
    np.add(candidates.shares, np.float32(1e-6), out=counts[:, 2 * channels :])
    borrow(counts, candidates.content)
    write_shortfalls(state, counts, table[:, at + ENCODED : at + ENCODED + 3])
    table[:, :at] = np.log(counts, out=counts)
    table[:, at : at + ENCODED] = candidates.encoded
    at += ENCODED + 3
    recent = candidates.own["session"]
    table[:, at] = recent
    table[:, at + 1] = _times(candidates)
    table[:, at + 2] = recent == 1
    table[:, at + 3] = candidates.rules.any(axis=1)
    table[:, at + 4] = np.log1p(np.float32(len(history)))
    table[:, at + 5] = len(distinct(history)) / max(1, len(history))
    table[:, at + 6] = recency(rows, candidates.asked.earlier)
    table[:, at + 7] = np.log1p(np.float32(len(candidates.asked.earlier)))
    age_ms = np.maximum(state.progress.time_ms - state.items.first_seen_ms.array[rows], 0)
    table[:, at + 8] = np.log1p(age_ms / HOUR_MS)
    own = table[:, at + 9 :]
    write_taste(state, history, table[:, at - ENCODED - 4], table[:, at + 8], own[:, :TASTE])
    fields = state.contexts.fields.of(candidates.asked.slots)
    write_lifts(candidates.lifts, fields, own[:, TASTE : TASTE + LIFTS])
    return table


def write_taste(
    state: ModelState, history: Rows, popular: Floats, aged: Floats, table: Floats
) -> None:
    """Write how popular and how old a history's items are, and how unlike each candidate is.

    Some look for what all look for, some for the rare; some for the new, some for the old.

    Parameters
    ----------
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
    popularity = state.popularity
    total = np.maximum(popularity.totals.array[0, -1], np.float32(1e-30))
    shares = popularity.counts.array[history, -1] / total
    ages_ms = np.maximum(state.progress.time_ms - state.items.first_seen_ms.array[history], 0)
    share = np.log(shares + np.float32(1e-6)).mean()
    age = np.float32(np.log1p(ages_ms / HOUR_MS).mean())
    table[:, 0], table[:, 1] = share, np.abs(popular - share)
    table[:, 2], table[:, 3] = age, np.abs(aged - age)


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
    table[:] = 0
    if lifts.shape[1]:
        lifts.sum(axis=1, out=table[:, 0])
        lifts.max(axis=1, out=table[:, 1])
        lifts.min(axis=1, out=table[:, 2])
        numbered = fields >= 0
        table[:, 3 + fields[numbered]] = lifts[:, numbered]


def _times(candidates: Candidates) -> Floats:
    rows, history = candidates.rows, candidates.asked.history
    places = rows.searchsorted(history[member(history, rows)])
    times: Floats = np.log1p(np.bincount(places, minlength=len(rows))).astype(np.float32)
    return times
