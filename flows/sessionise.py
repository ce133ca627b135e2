"""Step 3: each event meets its user's state, and becomes a newer state and an example."""

from __future__ import annotations

from collections import Counter

from bytewax.operators import StatefulBatchLogic

from flows.batches import Piece, Receipt, Settled
from flows.forgotten import ledger_id
from flows.patience import patiently
from flows.settling import Settling
from flows.tally import Tally
from flows.user_cache import UserCache
from schemas.events import Forget, Interaction
from schemas.keys import SHARDS
from schemas.positions import Marks, advance, mark_of
from schemas.user_state import StreamRules
from serving.store import Store

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
        self._ledger = ""
        self._users_met: Counter[str] = Counter()
        self._cache = UserCache(
            store.read_users, bound=max(1, cached_users // SHARDS), count=self._met
        )

    def on_batch(self, values: list[Piece]) -> tuple[list[Settled], bool]:
        with self._tally.timed("sessionise"):
            marks = self._marks_of(values[0].shard)
            self._cache.load(self._needed(values, marks))
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
            self._ledger = ledger_id(shard)
        return self._marks

    def _needed(self, pieces: list[Piece], marks: Marks) -> set[str]:
        """Return whose states these pieces ask for."""
        users = set()
        for piece in pieces:
            happenings = piece.happenings
            if happenings and happenings[0][0] < mark_of(marks, piece.topic, piece.partition):
                users.add(self._ledger)
            for _, event, _ in happenings:
                if isinstance(event, Interaction):
                    users.add(event.user_id)
                elif isinstance(event, Forget):
                    users |= {event.user_id, self._ledger}
        return users

    def _settled(self, piece: Piece, marks: Marks) -> Settled:
        settling = Settling(piece, marks, self._cache, self._rules, ledger=self._ledger)
        for happening in piece.happenings:
            settling.take(happening)
        write = None
        if piece.happenings:
            until = piece.happenings[-1][0] + 1
            if until > mark_of(marks, piece.topic, piece.partition):
                before = _copy(marks)
                advance(marks, piece.topic, piece.partition, until)
                write = settling.write(before, _copy(marks))
        receipt = Receipt()
        if write is not None:
            self._cache.handed_on(receipt, len(write.states) + len(write.forgotten))
        reasons = Counter(letter.reason for letter in settling.dead)
        self._tally.settled(verdicts=settling.verdicts, reasons=reasons, users={})
        return Settled(settling.lesson(), write, receipt)


def _copy(marks: Marks) -> Marks:
    return {topic: dict(partitions) for topic, partitions in marks.items()}
