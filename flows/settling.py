"""What the events of a piece do to their users."""

from __future__ import annotations

from collections import Counter

from flows.batches import Happening, Lesson, Piece, Refused
from flows.forgotten import Erased, is_full, was_refused, with_forgotten, with_kept_out
from flows.joining import Joining
from flows.user_cache import UserCache
from online_models.sessions import Absorbed, absorb
from schemas.events import EVENT_TYPES, Event, Forget, Impression, Interaction, ItemUpdate
from schemas.examples import Example
from schemas.positions import Marks, Position, mark_of
from schemas.user_state import StreamRules, UserState
from serving.store import DeadLetter, Erasure, ShardWrite
from serving.store.protocol import EVENTS_TOPIC

_SEQUENCE_BITS = 20  # of an offset of the event log: above them stands its time


class Settling:
    """The events of one piece, one after the other, and all that they change.

    Parameters
    ----------
    marks
        What the shard had absorbed before the piece: events below are contained.
    joining
        The feedback in the piece; ``None`` where nobody of the shard has slates, nor gets any.
    erased
        Who of the shard was forgotten.
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
        erased: Erased,
        ledger: str,
    ) -> None:
        self._piece, self._cache, self._rules, self._ledger = piece, cache, rules, ledger
        self._joining, self._erased = joining, erased
        self._contained_below = mark_of(marks, piece.topic, piece.partition)
        self._states: dict[str, UserState] = {}
        self._forgotten: dict[str, None] = {}
        self._erasures: list[Erasure] = []
        self._kept_out: list[int] = []
        self._examples: list[Example] = []
        self._updates: list[tuple[int, ItemUpdate]] = []
        self.dead: list[DeadLetter] = []
        self.verdicts: Counter[tuple[str, str]] = Counter()

    def take(self, happening: Happening) -> None:
        """Decide on the next event."""
        offset, event, payload = happening
        if self._erased and self._keeps_out(offset, event):
            return
        if isinstance(event, Interaction):
            self._interaction(offset, event, payload)
        elif isinstance(event, Refused):
            self.verdicts[_type_of(event), "refused"] += 1
            self._bury(
                offset, event.event_type, event.reason, event.message, payload, event.user_id
            )
        elif isinstance(event, ItemUpdate):
            self._updates.append((offset, event))
            self.verdicts["item", "accepted"] += 1
        elif isinstance(event, Impression):
            self._impression(offset, event)
        else:
            self._forget(offset, event)

    def _keeps_out(self, offset: int, event: Event | Refused) -> bool:
        """Return whether an event is of a user who was forgotten since it happened.

        No dead letter is made of one, as that would keep its bytes. What can't be read has no time,
        and may be that old.
        """
        if offset < self._contained_below or isinstance(event, ItemUpdate | Forget):
            return False
        time_ms = None if isinstance(event, Refused) else event.time_ms
        if not self._erased.covers(event.user_id, time_ms):
            return False
        self.verdicts[_type_of(event), "forgotten"] += 1
        if isinstance(event, Interaction):
            self._kept_out.append(offset)
        return True

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
            self._replayed(offset, event, absorbed)
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
            how_late = self._how_late(event, absorbed.state)
            self._bury(offset, "interaction", "late", how_late, payload, user_id)

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

    def _replayed(self, offset: int, event: Interaction, absorbed: Absorbed) -> None:
        piece, example = self._piece, absorbed.example
        ledger = self._cache.get(self._ledger)
        if example is not None and (
            was_refused(ledger, piece.topic, piece.partition, offset)
            # It may have been kept out: rather an event too few is learnt than one of these.
            or (is_full(ledger) and self._erased.covers(event.user_id, event.time_ms))
        ):
            example = None
        # Whether it was late or repeated when it came first, nobody remembers.
        self.verdicts["interaction", "accepted" if example else "duplicate"] += 1
        if example is not None:
            self._examples.append(example)

    def _forget(self, offset: int, event: Forget) -> None:
        self.verdicts["forget", "accepted"] += 1
        if offset < self._contained_below:
            return
        user_id, ledger = event.user_id, self._cache.get(self._ledger)
        state = self._cache.get(user_id)
        at = Position(self._piece.topic, self._piece.partition, offset)
        self._erasures.append(self._erased.erase(user_id, _until_ms(event, at, state), at))
        self._keep_ledger(ledger, with_forgotten(ledger, self._ledger, state))
        self._cache.put(user_id, None)
        if self._joining is not None:
            self._joining.forget(user_id)
        self._states.pop(user_id, None)
        self.dead = [letter for letter in self.dead if not letter.is_of(user_id)]
        self._forgotten[user_id] = None

    def _keep_ledger(self, ledger: UserState | None, grown: UserState | None) -> None:
        if grown is not None and grown is not ledger:
            self._cache.put(self._ledger, grown)
            self._states[self._ledger] = grown

    def _bury(
        self, offset: int, event_type: str, reason: str, message: str, payload: bytes, user_id: str
    ) -> None:
        if offset >= self._contained_below:
            topic, partition = self._piece.topic, self._piece.partition
            self.dead.append(
                DeadLetter(topic, partition, offset, event_type, reason, message, payload, user_id)
            )

    def write(self, before: Marks, marks: Marks) -> ShardWrite:
        """Return what is to be stored, by which the shard goes from ``before`` to ``marks``."""
        if self._kept_out:
            topic, partition = self._piece.topic, self._piece.partition
            ledger = self._cache.get(self._ledger)
            grown = with_kept_out(ledger, self._ledger, topic, partition, self._kept_out)
            self._keep_ledger(ledger, grown)
        return ShardWrite(
            self._piece.shard,
            self._states,
            marks,
            tuple(self._forgotten),
            tuple(self.dead),
            before,
            self._joining.written() if self._joining is not None else {},
            tuple(self._erasures),
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


def _type_of(event: Interaction | Impression | Refused) -> str:
    if isinstance(event, Refused):
        return event.event_type if event.event_type in EVENT_TYPES else "unknown"
    return "interaction" if isinstance(event, Interaction) else "impression"


def _until_ms(event: Forget, at: Position, state: UserState | None) -> int:
    """Return until when all is to be forgotten: until then, or else all that is known by now."""
    if event.time_ms is not None:
        return event.time_ms
    if at.topic == EVENTS_TOPIC:
        return at.offset >> _SEQUENCE_BITS
    return state.newest_ms if state is not None else 0
