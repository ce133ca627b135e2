"""What the events of a piece do to their users."""

from __future__ import annotations

from collections import Counter

from flows.batches import Happening, Lesson, Piece, Refused
from flows.forgotten import was_refused, with_forgotten
from flows.joining import Joining
from flows.user_cache import UserCache
from online_models.sessions import Absorbed, absorb
from schemas.events import EVENT_TYPES, Forget, Impression, Interaction, ItemUpdate
from schemas.examples import Example
from schemas.positions import Marks, mark_of
from schemas.user_state import StreamRules, UserState
from serving.store import DeadLetter, ShardWrite


class Settling:
    """The events of one piece, one after the other, and all that they change.

    Parameters
    ----------
    marks
        What the shard had absorbed before the piece: events below are contained.
    joining
        The feedback in the piece; ``None`` where nobody of the shard has slates, nor gets any.
    ledger
        The name under which the shard keeps its ledger of the forgotten.

    Attributes
    ----------
    dead, verdicts
        Dead letters to be written, and what was decided on how many events of each type.
    """

    def __init__(
        self,
        piece: Piece,
        marks: Marks,
        cache: UserCache[UserState],
        rules: StreamRules,
        *,
        joining: Joining | None,
        ledger: str,
    ) -> None:
        self._piece, self._cache, self._rules, self._ledger = piece, cache, rules, ledger
        self._joining = joining
        self._contained_below = mark_of(marks, piece.topic, piece.partition)
        self._states: dict[str, UserState] = {}
        self._forgotten: dict[str, None] = {}
        self._examples: list[Example] = []
        self._updates: list[tuple[int, ItemUpdate]] = []
        self.dead: list[DeadLetter] = []
        self.verdicts: Counter[tuple[str, str]] = Counter()

    def take(self, happening: Happening) -> None:
        """Decide on the next event."""
        offset, event, payload = happening
        if isinstance(event, Interaction):
            self._interaction(offset, event, payload)
        elif isinstance(event, Refused):
            known = event.event_type if event.event_type in EVENT_TYPES else "unknown"
            self.verdicts[known, "refused"] += 1
            self._bury(offset, event.event_type, event.reason, event.message, payload)
        elif isinstance(event, ItemUpdate):
            self._updates.append((offset, event))
            self.verdicts["item", "accepted"] += 1
        elif isinstance(event, Impression):
            self._impression(offset, event)
        else:
            self._forget(offset, event)

    def _interaction(self, offset: int, event: Interaction, payload: bytes) -> None:
        piece, user_id = self._piece, event.user_id
        contained = offset < self._contained_below
        absorbed = absorb(
            self._cache.get(user_id),
            event,
            self._rules,
            topic=piece.topic,
            partition=piece.partition,
            offset=offset,
            contained=contained,
        )
        if contained:
            self._replayed(offset, absorbed)
            if self._joining is not None:
                self._joining.again(offset, user_id)
            return
        self.verdicts["interaction", absorbed.verdict] += 1
        if absorbed.example is not None:
            self._examples.append(absorbed.example)
        assert absorbed.state is not None
        self._cache.put(user_id, absorbed.state)
        self._states[user_id] = absorbed.state
        if self._joining is not None and absorbed.verdict == "accepted":
            self._joining.answer(offset, event, absorbed.state.newest_ms)
        if absorbed.verdict == "late":
            self._bury(
                offset, "interaction", "late", self._how_late(event, absorbed.state), payload
            )

    def _impression(self, offset: int, event: Impression) -> None:
        self.verdicts["impression", "accepted"] += 1
        assert self._joining is not None
        if offset < self._contained_below:
            self._joining.again(offset, event.user_id)
            return
        state = self._cache.get(event.user_id)
        self._joining.show(offset, event, state.newest_ms if state else 0)

    def _how_late(self, event: Interaction, state: UserState) -> str:
        return (
            f"`$.time_ms` is {event.time_ms}, {state.newest_ms - event.time_ms} ms behind the "
            f"user's newest event: stream.allowed_lateness_ms is {self._rules.allowed_lateness_ms}"
        )

    def _replayed(self, offset: int, absorbed: Absorbed) -> None:
        piece, example = self._piece, absorbed.example
        ledger = self._cache.get(self._ledger)
        if example is not None and was_refused(ledger, piece.topic, piece.partition, offset):
            example = None
        # Whether it was late or repeated when it came first, nobody remembers.
        self.verdicts["interaction", "accepted" if example else "duplicate"] += 1
        if example is not None:
            self._examples.append(example)

    def _forget(self, offset: int, event: Forget) -> None:
        self.verdicts["forget", "accepted"] += 1
        if offset < self._contained_below:
            return
        user_id = event.user_id
        ledger = self._cache.get(self._ledger)
        grown = with_forgotten(ledger, self._ledger, self._cache.get(user_id))
        if grown is not None and grown is not ledger:
            self._cache.put(self._ledger, grown)
            self._states[self._ledger] = grown
        self._cache.put(user_id, None)
        if self._joining is not None:
            self._joining.forget(user_id)
        self._states.pop(user_id, None)
        self._forgotten[user_id] = None

    def _bury(
        self, offset: int, event_type: str, reason: str, message: str, payload: bytes
    ) -> None:
        if offset >= self._contained_below:
            piece = self._piece
            self.dead.append(
                DeadLetter(
                    piece.topic, piece.partition, offset, event_type, reason, message, payload
                )
            )

    def write(self, before: Marks, marks: Marks) -> ShardWrite:
        """Return what is to be stored, by which the shard goes from ``before`` to ``marks``."""
        return ShardWrite(
            self._piece.shard,
            self._states,
            marks,
            tuple(self._forgotten),
            tuple(self.dead),
            before,
            self._joining.written() if self._joining is not None else {},
        )

    def lesson(self) -> Lesson:
        """Return what there is to learn."""
        piece = self._piece
        return Lesson(
            piece.topic,
            piece.partition,
            piece.seq,
            piece.pieces,
            piece.end,
            self._examples,
            self._updates,
            self._joining.feedback if self._joining is not None else [],
            shard=piece.shard,
            held=piece.happenings[-1][0] + 1 if piece.happenings else 0,
            newest_ms=piece.newest_ms,
        )
