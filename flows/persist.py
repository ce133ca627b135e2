"""Step 4: states, marks and dead letters are stored, before anybody learns from the events."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flows.batches import Lesson, Settled
from flows.dead_letters import DeadLetters
from flows.patience import patiently
from flows.tally import Tally
from schemas.slates import Slates
from schemas.user_state import UserState
from serving.store import DeadLetter, ShardWrite, Store


class Persist:
    """Stores all pieces that have arrived in one round trip, and hands their lessons on.

    The store writes a shard's states, marks and dead letters together or not at all, and only where
    its marks are those that the piece continues; so after a lost reply nothing is written twice.
    Threads may share it: a shard's pieces come from one of them.

    Parameters
    ----------
    key
        Under which the learner waits: the model's name.
    dead_letters
        Where to write refused events to as well, before the store has them.
    forget_elsewhere
        Forgets users in other models too, before the store has forgotten them.
    """

    def __init__(
        self,
        store: Store,
        *,
        key: str,
        tally: Tally,
        dead_letters: DeadLetters | None = None,
        forget_elsewhere: Callable[[str, Sequence[str]], None] = lambda _shard, _users: None,
    ) -> None:
        self._store, self._key, self._tally, self._letters = store, key, tally, dead_letters
        self._forget_elsewhere = forget_elsewhere

    def __call__(self, values: list[tuple[str, Settled]]) -> list[tuple[str, list[Lesson]]]:
        """Store pieces, and return their lessons.

        Raises
        ------
        StoreRolledBack
            The store has lost what it had acknowledged, or another flow writes to it.
        """
        with self._tally.timed("persist"):
            settled = [value for _, value in values]
            writes = merged([one.write for one in settled if one.write is not None])
            if writes:
                self._write(writes)
            for one in settled:
                one.receipt.stored = True
            return [(self._key, [one.lesson for one in settled])]

    def _write(self, writes: list[ShardWrite]) -> None:
        if self._letters is not None:
            self._letters.write([letter for write in writes for letter in write.dead])
        for write in writes:
            if write.forgotten:
                self._forget_elsewhere(write.shard, write.forgotten)
        patiently(lambda: self._store.write_shards(writes))


def merged(writes: list[ShardWrite]) -> list[ShardWrite]:
    """Return one write for each shard that does what all of its writes do, in order."""
    by_shard: dict[str, list[ShardWrite]] = {}
    for write in writes:
        by_shard.setdefault(write.shard, []).append(write)
    return [parts[0] if len(parts) == 1 else _merged(parts) for parts in by_shard.values()]


def _merged(parts: list[ShardWrite]) -> ShardWrite:
    states: dict[str, UserState] = {}
    slates: dict[str, Slates | None] = {}
    forgotten: dict[str, None] = {}
    dead: list[DeadLetter] = []
    for part in parts:
        for user_id in part.forgotten:
            states.pop(user_id, None)
            slates.pop(user_id, None)
            dead = [letter for letter in dead if not letter.is_of(user_id)]
            forgotten[user_id] = None
        states.update(part.states)
        slates.update(part.slates)
        dead.extend(part.dead)
    return ShardWrite(
        parts[0].shard,
        states,
        parts[-1].marks,
        tuple(forgotten),
        tuple(dead),
        parts[0].before,
        slates,
        tuple([erasure for part in parts for erasure in part.erased]),
    )
