"""Step 3: each event meets its user's state, and becomes a newer state and an example."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from bytewax.operators import StatefulBatchLogic

from flows.batches import Piece, Receipt, Settled
from flows.forgotten import Erased, ledger_id
from flows.joining import Joining
from flows.patience import patiently
from flows.settling import Settling
from flows.shard_slates import ShardSlates
from flows.tally import Tally
from flows.user_cache import UserCache
from schemas.events import Forget, Impression, Interaction
from schemas.keys import SHARDS
from schemas.positions import Marks, advance, mark_of
from schemas.user_state import StreamRules
from serving.store import Store

CACHED_USERS = 200_000
SLATES_SHARE = 5
"""Of so many cached users one has slates in memory, which are larger than states."""


class _Shard(NamedTuple):
    marks: Marks
    ledger: str
    slates: ShardSlates
    erased: Erased


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
        self._bound = max(1, cached_users // SHARDS)
        self._shard: _Shard | None = None
        self._users_met: Counter[str] = Counter()
        self._cache = UserCache(store.read_users, bound=self._bound, count=self._met)

    def on_batch(self, values: list[Piece]) -> tuple[list[Settled], bool]:
        with self._tally.timed("sessionise"):
            shard = self._opened(values[0].shard)
            needed = _needed(values, shard)
            self._cache.load(needed)
            if shard.slates.expected:
                shard.slates.load(needed)
            settled = [self._settled(piece, shard) for piece in values]
            if any(one.lesson.feedback for one in settled):
                shard.slates.gave()
        self._tally.settled(verdicts={}, reasons={}, users=self._users_met)
        self._users_met.clear()
        return settled, StatefulBatchLogic.RETAIN

    def snapshot(self) -> None:
        """Return nothing: the store has it all."""

    def _met(self, where: str, users: int) -> None:
        self._users_met[where] += users

    def _opened(self, name: str) -> _Shard:
        if self._shard is None:
            [marks] = patiently(lambda: self._store.read_marks([name]))
            slates = ShardSlates(self._store, name, bound=max(1, self._bound // SLATES_SHARE))
            self._shard = _Shard(marks, ledger_id(name), slates, Erased(self._store, name))
        return self._shard

    def _settled(self, piece: Piece, shard: _Shard) -> Settled:
        marks = shard.marks
        joining = Joining(piece, shard.slates, self._rules) if shard.slates.expected else None
        settling = Settling(
            piece,
            marks,
            self._cache,
            self._rules,
            joining=joining,
            erased=shard.erased,
            ledger=shard.ledger,
        )
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
            if joining is not None:
                shard.slates.handed_on(receipt, len(write.slates) + len(write.forgotten))
        reasons = Counter(letter.reason for letter in settling.dead)
        outcomes = joining.outcomes if joining is not None else {}
        self._tally.settled(
            verdicts=settling.verdicts, reasons=reasons, users={}, feedback=outcomes
        )
        return Settled(settling.lesson(), write, receipt)


def _needed(pieces: list[Piece], shard: _Shard) -> set[str]:
    """Return whose states these pieces ask for."""
    users = {shard.ledger} if shard.erased else set()
    for piece in pieces:
        happenings = piece.happenings
        if happenings and happenings[0][0] < mark_of(shard.marks, piece.topic, piece.partition):
            users.add(shard.ledger)
        for _, event, _ in happenings:
            if isinstance(event, Interaction):
                users.add(event.user_id)
                if event.request_id is not None:
                    shard.slates.expected = True
            elif isinstance(event, Impression):
                users.add(event.user_id)
                shard.slates.expected = True
            elif isinstance(event, Forget):
                users |= {event.user_id, shard.ledger}
    return users


def _copy(marks: Marks) -> Marks:
    return {topic: dict(partitions) for topic, partitions in marks.items()}
