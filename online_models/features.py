"""What the ranker sees of a candidate; ``feature_names`` has the names, in the same order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models.content_source import borrow
from online_models.feature_names import CONTENT, OTHERS
from online_models.likeness import ENCODED, write_shortfalls
from online_models.retrieval import Candidates
from online_models.rows import distinct, member
from online_models.state import ModelState

Floats = npt.NDArray[np.float32]
HOUR_MS = 3_600_000.0


def features(state: ModelState, candidates: Candidates) -> Floats:
    """Return the features of candidates, of shape ``(n, features)``; counts are on a log scale."""
    rows, history = candidates.rows, candidates.asked.history
    channels, horizons = candidates.rules.shape[1], candidates.shares.shape[1]
    width = 2 * channels + horizons + len(OTHERS) + len(CONTENT)
    table = np.empty((len(rows), width), dtype=np.float32)
    table[:, -len(CONTENT) :] = candidates.content
    table[:, :channels] = np.log(candidates.rules + np.float32(1e-2))
    table[:, channels : 2 * channels] = np.log(candidates.last_rules + np.float32(1e-2))
    at = 2 * channels + horizons
    table[:, 2 * channels : at] = np.log(candidates.shares + np.float32(1e-6))
    borrow(table[:, :at], candidates.content)
    table[:, at : at + ENCODED] = candidates.encoded
    write_shortfalls(state, table[:, :at], table[:, at + ENCODED : at + ENCODED + 3])
    at += ENCODED + 3
    recency = candidates.own["session"]
    table[:, at] = recency
    table[:, at + 1] = _times(candidates)
    table[:, at + 2] = recency == 1
    table[:, at + 3] = candidates.rules.any(axis=1)
    table[:, at + 4] = np.log1p(np.float32(len(history)))
    table[:, at + 5] = len(distinct(history)) / max(1, len(history))
    age_ms = np.maximum(state.progress.time_ms - state.items.first_seen_ms.array[rows], 0)
    table[:, at + 6] = np.log1p(age_ms / HOUR_MS)
    write_lifts(candidates.lifts, table[:, at + 7 : at + 10])
    return table


def write_lifts(lifts: Floats, table: Floats) -> None:
    """Write sum, largest and least of each candidate's lifts; 0 where the context is not known."""
    table[:] = 0
    if lifts.shape[1]:
        lifts.sum(axis=1, out=table[:, 0])
        lifts.max(axis=1, out=table[:, 1])
        lifts.min(axis=1, out=table[:, 2])


def _times(candidates: Candidates) -> Floats:
    counts = np.zeros(len(candidates.rows), dtype=np.float32)
    found, times = np.unique(candidates.asked.history, return_counts=True)
    held = member(found, candidates.rows)
    counts[candidates.rows.searchsorted(found[held])] = np.log1p(times[held])
    return counts
