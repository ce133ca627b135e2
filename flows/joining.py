"""What the events of a piece do to the slates of their users, and the labels that come of it."""

from __future__ import annotations

from collections import Counter

from flows.batches import Piece
from flows.shard_slates import ShardSlates
from online_models.feedback import Joined, again, answer, show
from online_models.slates import kept, without_published
from schemas.events import Impression, Interaction
from schemas.examples import Feedback
from schemas.positions import Position
from schemas.slates import Slates
from schemas.user_state import StreamRules


class Joining:
    """The feedback in one piece.

    Attributes
    ----------
    feedback
        Labels, in the order of their offsets.
    outcomes
        What became of slates and answers, as ``schemas.metrics.FEEDBACK`` calls it.
    """

    def __init__(self, piece: Piece, slates: ShardSlates, rules: StreamRules) -> None:
        self._piece, self._slates, self._rules = piece, slates, rules
        self._changed: dict[str, Slates | None] = {}
        self.feedback: list[Feedback] = []
        self.outcomes: Counter[str] = Counter()

    def show(self, offset: int, event: Impression, newest_ms: int) -> None:
        """Take an impression in; ``newest_ms`` is the time of its user's newest interaction."""
        slates = self._slates.get(event.user_id)
        self._take(
            event.user_id,
            slates,
            show(slates, event, self._rules, at=self._at(offset), newest_ms=newest_ms),
        )

    def answer(self, offset: int, event: Interaction, newest_ms: int) -> None:
        """Take an accepted interaction in; ``newest_ms`` as its user's state has it now."""
        slates = self._slates.get(event.user_id)
        if slates is None and event.request_id is None:
            return
        self._take(
            event.user_id,
            slates,
            answer(slates, event, self._rules, at=self._at(offset), newest_ms=newest_ms),
        )

    def again(self, offset: int, user_id: str) -> None:
        """Hand on what a contained event has given."""
        self.feedback += again(self._slates.get(user_id), self._at(offset))

    def forget(self, user_id: str) -> None:
        """Drop a user's slates."""
        self._changed.pop(user_id, None)
        self._slates.put(user_id, None)

    def written(self) -> dict[str, Slates | None]:
        """Return the slates that are to be stored."""
        return self._slates.signed(self._changed)

    def _at(self, offset: int) -> Position:
        return Position(self._piece.topic, self._piece.partition, offset)

    def _take(self, user_id: str, before: Slates | None, joined: Joined) -> None:
        self.outcomes.update(joined.outcomes)
        self.feedback += joined.feedback
        if joined.slates is before:
            return
        slates = joined.slates
        if slates is not None:
            slates = kept(without_published(slates, self._slates.low))
        self._slates.put(user_id, slates)
        self._changed[user_id] = slates
