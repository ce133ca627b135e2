"""Step 3: each event meets its user's state, and becomes a newer state and an example."""

from __future__ import annotations

from collections import Counter

from bytewax.operators import StatefulBatchLogic

from flows.batches import Happening, Lesson, Piece, Receipt, Refused, Settled
from flows.patience import patiently
from flows.tally import Tally
from flows.user_cache import UserCache
from online_models.sessions import absorb
from schemas.events import EVENT_TYPES, Forget, Impression, Interaction, ItemUpdate
from schemas.examples import Example
from schemas.keys import SHARDS
from schemas.positions import Marks, advance, mark_of
from schemas.user_state import StreamRules, UserState
from serving.store import DeadLetter, ShardWrite, Store

CACHED_USERS = 200_000


class Sessionise(StatefulBatchLogic[Piece, Settled, None]):
    """One shard's users.

    Its state is bounded by ``cached_users`` (of one worker that owns all shards; each shard has
    its part of them) and lives in the store; the engine has nothing to remember. What the shard
    has absorbed, its marks tell: an event below them is contained in its user's state, and only
    handed on to the learner.
    """

    def __init__(
        self,
        store: Store,
        rules: StreamRules,
        *,
        tally: Tally,
        cached_users: int = CACHED_USERS,
    ) -> None:
        self._store, self._rules, self._tally = store, rules, tally
        self._marks: Marks | None = None
        self._users_met: Counter[str] = Counter()
        self._cache = UserCache(store, bound=max(1, cached_users // SHARDS), count=self._met)

    def on_batch(self, values: list[Piece]) -> tuple[list[Settled], bool]:
        with self._tally.timed("sessionise"):
            self._cache.load(
                [
                    happening[1].user_id
                    for piece in values
                    for happening in piece.happenings
                    if isinstance(happening[1], Interaction)
                ]
            )
            marks = self._marks_of(values[0].shard)
            settled = [self._settled(piece, marks) for piece in values]
        self._tally.settled(verdicts={}, reasons={}, users=self._users_met)
        self._users_met.clear()
        return settled, StatefulBatchLogic.RETAIN

    def snapshot(self) -> None:
        """Return nothing: the store has it all."""

    def _met(self, where: str, users: int) -> None:
        self._users_met[where] += users

    def _marks_of(self, shard: str) -> Marks:
        if self._marks is None:
            self._marks = patiently(lambda _again: self._store.read_marks([shard]))[0]
        return self._marks

    def _settled(self, piece: Piece, marks: Marks) -> Settled:
        settling = _Settling(piece, marks, self._cache, self._rules)
        for happening in piece.happenings:
            settling.take(happening)
        before = _copy(marks)
        write = None
        if piece.happenings:
            until = piece.happenings[-1][0] + 1
            if until > mark_of(marks, piece.topic, piece.partition):
                advance(marks, piece.topic, piece.partition, until)
                write = settling.write(_copy(marks))
        receipt = Receipt()
        if write is not None:
            self._cache.handed_on(receipt, len(write.states) + len(write.forgotten))
        reasons = Counter(letter.reason for letter in settling.dead)
        self._tally.settled(verdicts=settling.verdicts, reasons=reasons, users={})
        return Settled(settling.lesson(), write, before, receipt)


class _Settling:
    """The events of one piece, one after the other."""

    def __init__(self, piece: Piece, marks: Marks, cache: UserCache, rules: StreamRules) -> None:
        self._piece, self._cache, self._rules = piece, cache, rules
        self._contained_below = mark_of(marks, piece.topic, piece.partition)
        self._states: dict[str, UserState] = {}
        self._forgotten: dict[str, None] = {}
        self._examples: list[Example] = []
        self._updates: list[tuple[int, ItemUpdate]] = []
        self.dead: list[DeadLetter] = []
        self.verdicts: Counter[tuple[str, str]] = Counter()

    def take(self, happening: Happening) -> None:
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
            self.verdicts["impression", "accepted"] += 1
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
        self.verdicts["interaction", absorbed.verdict] += 1
        if absorbed.example is not None:
            self._examples.append(absorbed.example)
        if contained or absorbed.state is None:
            return
        self._cache.put(user_id, absorbed.state)
        self._states[user_id] = absorbed.state
        if absorbed.verdict == "late":
            allowed_ms = self._rules.allowed_lateness_ms
            behind_ms = absorbed.state.newest_ms - event.time_ms
            self._bury(
                offset,
                "interaction",
                "late",
                f"`$.time_ms` is {event.time_ms}, {behind_ms} ms behind the user's newest event: "
                f"stream.allowed_lateness_ms is {allowed_ms}",
                payload,
            )

    def _forget(self, offset: int, event: Forget) -> None:
        self.verdicts["forget", "accepted"] += 1
        if offset < self._contained_below:
            return
        self._cache.put(event.user_id, None)
        self._states.pop(event.user_id, None)
        self._forgotten[event.user_id] = None

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

    def write(self, marks: Marks) -> ShardWrite:
        return ShardWrite(
            self._piece.shard, self._states, marks, tuple(self._forgotten), tuple(self.dead)
        )

    def lesson(self) -> Lesson:
        piece = self._piece
        return Lesson(
            piece.topic,
            piece.partition,
            piece.seq,
            piece.pieces,
            piece.end,
            self._examples,
            self._updates,
        )


def _copy(marks: Marks) -> Marks:
    return {topic: dict(partitions) for topic, partitions in marks.items()}
