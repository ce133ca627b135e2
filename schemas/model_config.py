"""What fixes the shapes of a model. It travels in the model's log, so that replicas agree."""

from __future__ import annotations

import math

from msgspec import Struct, structs

from schemas.user_state import StreamRules

MINUTE_MS = 60_000.0
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

SIZES = (
    "dimensions",
    "neighbours",
    "learning_window",
    "encoder_window",
    "hidden",
    "context_slots",
    "admit_after",
)


class ModelConfig(Struct, frozen=True, kw_only=True):
    """The hyper-parameters that learner and replicas must share.

    Parameters
    ----------
    unit, repeats
        How the stream was read that it learnt from (see ``StreamRules``): read in another way, it
        would answer another question than it was trained for.
    dimensions
        Of the embeddings. More fits finer tastes, and costs time and memory in proportion.
    neighbours
        The most that are kept for each item and direction together.
    rule_half_lives_ms, popularity_half_lives_ms
        Counts are kept once for each; short ones follow the news, long ones a shop.
    context_slots, context_half_life_ms
        How many values of the events' context are followed, up to 16 of them the moment's, and how
        long their counts live: see ``Contexts``.
    learning_window, scoring_window
        How many of the unit's last items rules learn from, and score from.
    encoder_window
        How many of the unit's last items the encoder reads, and of the user's other units.
    hidden
        Units of the ranker's hidden layer.
    capacity, admit_after
        See ``ItemTable``.
    exact_up_to
        Established items up to which the index searches exactly; beyond, it takes a graph.
    """

    unit: str = "session"
    repeats: str = ""
    dimensions: int = 96
    neighbours: int = 192
    rule_half_lives_ms: tuple[float, ...] = (HOUR_MS, 12 * HOUR_MS, 10 * DAY_MS, math.inf)
    popularity_half_lives_ms: tuple[float, ...] = (
        10 * MINUTE_MS,
        HOUR_MS,
        6 * HOUR_MS,
        2 * DAY_MS,
        math.inf,
    )
    context_slots: int = 80
    context_half_life_ms: float = 2 * HOUR_MS
    learning_window: int = 30
    scoring_window: int = 10
    encoder_window: int = 30
    hidden: int = 64
    capacity: int = 200_000
    admit_after: int = 1
    exact_up_to: int = 50_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in SIZES:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be at least 1")
        StreamRules(unit=self.unit, repeats=self.repeats)
        if self.encoder_window > self.learning_window:
            raise ValueError(
                f"encoder_window is {self.encoder_window}, "
                f"it must not exceed learning_window ({self.learning_window})"
            )
        if not 1 <= self.scoring_window <= self.learning_window:
            raise ValueError(
                f"scoring_window is {self.scoring_window}, "
                f"it must lie within 1 and learning_window ({self.learning_window})"
            )
        if self.capacity < 256:
            raise ValueError(f"capacity is {self.capacity}, it must be at least 256")

    def reading(self, rules: StreamRules) -> StreamRules:
        """Return rules with the model's own unit and repeats in place of theirs."""
        return structs.replace(rules, unit=self.unit, repeats=self.repeats)

    def reads_like(self, other: ModelConfig) -> bool:
        """Return whether both learn the next item of the same unit, with repeats or without."""
        one, two = self.reading(StreamRules()), other.reading(StreamRules())
        return (one.unit, one.excludes) == (two.unit, two.excludes)
