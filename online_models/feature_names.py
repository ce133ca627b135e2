"""The ranker's features by name, and how much each is trusted before anything was learnt."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models.context_fields import FIELDS
from schemas.model_config import ModelConfig

OTHERS = (
    "encoder",
    "encoder_below_best",
    "likeness_to_newest",
    "largest_likeness",
    "rules_at_second_hand",
    "rules_below_best",
    "newest_rules_below_best",
    "popularity_below_best",
    "recency_in_unit",
    "times_in_unit",
    "is_newest",
    "by_rules",
    "unit_length",
    "distinct_share",
    "recency_in_earlier",
    "earlier_length",
    "age_hours",
    "history_popularity",
    "apart_in_popularity",
    "history_age_hours",
    "apart_in_age",
    "context_lift",
    "context_largest_lift",
    "context_least_lift",
    *(f"context_field_{number}" for number in range(FIELDS)),
)
CONTENT = ("content", "content_below_best", "untried")
"""The last of all, which the hidden layer learns to hear of only once there is a catalogue."""
TASTE = 4
"""Features of what kind of items a history is of, just before the lifts."""
LIFTS = 3 + FIELDS
"""The last features of ``OTHERS``: sum and extremes of the lifts, then the lift by each field."""

TOLD_BY = {
    "popularity": ("popularity_", "history_popularity", "apart_in_popularity"),
    "rules": ("rules_", "newest_rules_", "by_rules"),
    "encoder": ("encoder", "likeness_", "largest_likeness"),
    "session": ("recency_in_unit", "times_in_unit", "is_newest"),
    "content": ("content", "untried"),
}
"""How the names of the features begin that only one source tells."""


def feature_names(config: ModelConfig) -> tuple[str, ...]:
    """Return the names of a model's features, in the order of the table that ``features`` fills."""
    ages = range(len(config.rule_half_lives_ms))
    sides = [f"{side}_{age}" for side in ("follows", "precedes") for age in ages]
    return (
        *(f"rules_{name}" for name in sides),
        *(f"newest_rules_{name}" for name in sides),
        *(f"popularity_{age}" for age in range(len(config.popularity_half_lives_ms))),
        *OTHERS,
        *CONTENT,
    )


def told_by(source: str, config: ModelConfig) -> list[int]:
    """Return the columns of the features that only this source tells."""
    begins = TOLD_BY.get(source, ())
    return [n for n, name in enumerate(feature_names(config)) if name.startswith(begins)]


def prior(config: ModelConfig) -> npt.NDArray[np.float32]:
    """Return the linear weights with which ranking starts."""
    trust = {"rules_follows": 0.1, "newest_rules_follows": 0.1, "popularity": 0.05}
    names = feature_names(config)
    weights = [trust.get(name.rpartition("_")[0], 0.0) for name in names]
    weights[names.index("encoder")] = weights[names.index("content")] = 0.1
    return np.array(weights, dtype=np.float32)
