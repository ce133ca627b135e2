"""Slates that users are shown, and what they do with them."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from hypothesis import strategies as st

from online_models.feature_names import prior
from online_models.feedback import Joined, answer, show
from schemas.events import DEFAULT_KIND_WEIGHTS, Impression, Interaction, ShownItem
from schemas.examples import Feedback
from schemas.positions import Position
from schemas.slates import Served, Slates
from schemas.user_state import StreamRules
from tests.builders import SMALL

START_MS = 1_760_000_000_000
MINUTE_MS = 60_000
WIDTH = len(prior(SMALL))
RULES = StreamRules(kind_weights=DEFAULT_KIND_WEIGHTS)
Label = tuple[str, str, tuple[str, ...], float, int]


def impression(request: str, items: str, minute: float = 0, *, user: str = "ann") -> Impression:
    """Return a slate of one-letter items; each has two features, by its place."""
    shown = [
        ShownItem(item_id=item, position=n, score=-n, propensity=1 / (n + 1), features=(n, 0.5))
        for n, item in enumerate(items)
    ]
    return Impression(
        request_id=request,
        user_id=user,
        time_ms=START_MS + int(minute * MINUTE_MS),
        items=tuple(shown),
        model_version=7,
        variant="b",
    )


def interaction(
    item: str, minute: float = 0, request: str | None = None, *, kind: str = "click", n: int = 0
) -> Interaction:
    """Return what ``ann`` did."""
    return Interaction(
        event_id=f"{request}/{item}/{minute}/{kind}/{n}",
        user_id="ann",
        item_id=item,
        kind=kind,
        time_ms=START_MS + int(minute * MINUTE_MS),
        request_id=request,
    )


def label_of(feedback: Feedback) -> Label:
    """Return what a label says, wherever it was completed."""
    items = tuple(item.item_id for item in feedback.items)
    return (
        feedback.request_id,
        items[feedback.place],
        items,
        feedback.weight,
        feedback.time_ms,
    )


@dataclass
class Ann:
    """One user, as the session step keeps her: two topics, each with its own offsets."""

    rules: StreamRules = RULES
    slates: Slates | None = None
    newest_ms: int = 0
    offsets: dict[str, int] = field(default_factory=lambda: {"shown": 0, "done": 0})
    given: list[Feedback] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)

    def sees(self, event: Impression) -> list[Label]:
        """Take a slate in; return the labels that it completes."""
        return self._took(
            show(self.slates, event, self.rules, at=self._at("shown"), newest_ms=self.newest_ms)
        )

    def does(self, event: Interaction) -> list[Label]:
        """Take an interaction in; return its labels."""
        if event.kind != "impression":
            self.newest_ms = max(self.newest_ms, event.time_ms)
        return self._took(
            answer(self.slates, event, self.rules, at=self._at("done"), newest_ms=self.newest_ms)
        )

    def take(self, events: Iterable[Impression | Interaction]) -> list[Label]:
        """Take events in, in this order."""
        return [
            label
            for event in events
            for label in (self.sees(event) if isinstance(event, Impression) else self.does(event))
        ]

    def _at(self, topic: str) -> Position:
        self.offsets[topic] += 1
        return Position(topic, 0, self.offsets[topic] - 1)

    def _took(self, joined: Joined) -> list[Label]:
        self.slates = joined.slates
        self.given += joined.feedback
        self.outcomes += joined.outcomes
        return [label_of(one) for one in joined.feedback]


def interleaved(
    dice: random.Random,
    one: Sequence[Impression | Interaction],
    other: Sequence[Impression | Interaction],
    *,
    ahead_ms: int,
) -> list[Impression | Interaction]:
    """Return two topics in any order that keeps each one's own.

    Neither runs ahead of what the other has not given yet by more than ``ahead_ms``.
    """
    rests = [list(one), list(other)]
    mixed: list[Impression | Interaction] = []
    while any(rests):
        may = [
            n
            for n, rest in enumerate(rests)
            if rest and (not rests[1 - n] or rest[0].time_ms <= rests[1 - n][0].time_ms + ahead_ms)
        ]
        mixed.append(rests[dice.choice(may)].pop(0))
    return mixed


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Impression], list[Interaction]]:
    """Draw slates at least 5 minutes apart, and at most 3 answers to each within 20 minutes."""
    shown, done = [], []
    for n in range(draw(st.integers(1, 12))):
        items = draw(st.permutations("abcdef"))[: draw(st.integers(1, 6))]
        shown.append(impression(f"r{n}", "".join(items), 5 * n))
        for m in range(draw(st.integers(0, 3))):
            kind = draw(st.sampled_from(["click", "view", "purchase", "skip"]))
            minute = 5 * n + draw(st.integers(0, 20))
            done.append(
                interaction(draw(st.sampled_from("abcdefz")), minute, f"r{n}", kind=kind, n=m)
            )
    return shown, sorted(done, key=lambda event: event.time_ms)


def wanted(shown: list[Impression], done: list[Interaction]) -> list[Label]:
    """Return the labels of a stream, from all of it at once."""
    labels, slates = [], {event.request_id: event for event in shown}
    for n, event in enumerate(done):
        slate = [item.item_id for item in slates[event.request_id or ""].items]
        before = [
            one.item_id
            for one in done[:n]
            if one.request_id == event.request_id and RULES.weight(one.kind) > 0
        ]
        chosen = {*before, event.item_id} & set(slate)
        if event.item_id in slate and RULES.weight(event.kind) > 0:
            items = [item for item in slate if item == event.item_id or item not in chosen]
            weight = RULES.weight(event.kind)
            labels.append(
                (event.request_id or "", event.item_id, tuple(items), weight, event.time_ms)
            )
    return labels


def label(
    offset: int = 0, *, place: int = 1, items: int = 2, seed: int = 0, **changes: object
) -> Feedback:
    """Return a label of which the chosen item has the largest first feature."""
    table = np.random.default_rng([seed, offset]).random((items, WIDTH), dtype=np.float32)
    table[place, 0] += 1
    served = [
        Served(f"i{n}", n, 1.0, array("f", row.tolist()).tobytes()) for n, row in enumerate(table)
    ]
    whole = Feedback("ann", f"r{offset}", tuple(served), place, 1.0, START_MS, offset)
    return msgspec.structs.replace(whole, **changes)
