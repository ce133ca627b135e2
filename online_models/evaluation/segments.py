"""Who it was for, and what was to be found: the parts of a stream that are told apart."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from online_models.evaluation.census import UNSEEN, Census
from online_models.metrics import reciprocal_ranks

Mask = npt.NDArray[np.bool_]

HOUR_MS = 3_600_000
HEAD_SHARE = 0.2
"""The head is this share of the items, those that come most often; the tail is the rest."""


class Columns(Protocol):
    """Predictions, or some of them."""

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return a field of ``Prediction``, of shape ``(predictions,)``."""


def segments(predictions: Columns, census: Census) -> dict[str, Mask]:
    """Return which predictions belong to each segment.

    Users by what they had done before, in all of their sessions, and sessions without a user; units
    by what was known of them; targets by how long they had been known, and by whether they belong
    to the head of all that the stream holds, counted at its end.
    """
    done, age_ms = predictions.column("user_events"), predictions.column("item_age_ms")
    anonymous = predictions.column("anonymous")
    in_head = _head(census.counts())[predictions.column("item")]
    fewest = predictions.column("unit_events")
    return {
        "user_first_event": done == 0,
        "user_under_5": (done > 0) & (done < 5),
        "user_5_to_50": (done >= 5) & (done <= 50),
        "user_over_50": done > 50,
        "user_anonymous": anonymous,
        "unit_at_most_1": fewest <= 1,
        "item_unseen": age_ms == UNSEEN,
        "item_under_1_hour": (age_ms != UNSEEN) & (age_ms < HOUR_MS),
        "item_under_1_day": (age_ms >= HOUR_MS) & (age_ms < 24 * HOUR_MS),
        "item_older": age_ms >= 24 * HOUR_MS,
        "item_head": in_head,
        "item_tail": ~in_head,
    }


def opening_segments(openings: Columns) -> dict[str, Mask]:
    """Return which first predictions of sessions are for users who came before, and which not."""
    known = openings.column("user_events") > 0
    return {"first_slate_returning": known, "first_slate_stranger": ~known}


def segment_figures(ranks: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Return count, hit rate and mean reciprocal rank at 20."""
    reciprocal = reciprocal_ranks(ranks, 20)
    count = len(ranks)
    return {
        "count": count,
        "hr@20": round(float((reciprocal > 0).mean()), 4) if count else 0.0,
        "mrr@20": round(float(reciprocal.mean()), 4) if count else 0.0,
    }


def _head(counts: npt.NDArray[np.int64]) -> Mask:
    head = np.zeros(len(counts), dtype=bool)
    most = np.argsort(-counts, kind="stable")[: int(np.ceil(HEAD_SHARE * len(counts)))]
    head[most] = True
    return head
