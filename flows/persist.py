"""Step 4: states, marks and dead letters are stored, before anybody learns from the events."""

from __future__ import annotations

import threading

from flows.batches import Lesson, Settled
from flows.dead_letters import DeadLetterFile
from flows.patience import patiently
from flows.tally import Tally
from schemas.errors import StoreError
from schemas.positions import Marks
from schemas.user_state import UserState
from serving.store import DeadLetter, ShardWrite, Store


class Persist:
    """Stores all pieces that have arrived in one round trip, and hands their lessons on.

    The store writes a shard's states, marks and dead letters together or not at all; so after a
    lost reply its marks tell what was written, and nothing is written twice.

    Parameters
    ----------
    key
        Under which the learner waits: the model's name.
    dead_letters
        A file to write refused events to as well.
    """

    def __init__(
        self,
        store: Store,
        *,
        key: str,
        tally: Tally,
        dead_letters: DeadLetterFile | None = None,
    ) -> None:
        self._store, self._key, self._tally, self._file = store, key, tally, dead_letters
        self._stored: dict[str, Marks] = {}
        self._lock = threading.Lock()  # workers of one process share this object

    def __call__(self, values: list[tuple[str, Settled]]) -> list[tuple[str, list[Lesson]]]:
        with self._lock, self._tally.timed("persist"):
            settled = [value for _, value in values]
            writes = merged([one.write for one in settled if one.write is not None])
            for one in settled:
                if one.write is not None:
                    self._stored.setdefault(one.write.shard, one.before)
            if writes:
                self._write(writes)
            for one in settled:
                one.receipt.stored = True
            return [(self._key, [one.lesson for one in settled])]

    def _write(self, writes: list[ShardWrite]) -> None:
        if self._file is not None:
            self._file.write([letter for write in writes for letter in write.dead])

        def attempt(again: bool) -> None:
            left = self._unwritten(writes) if again else writes
            self._store.write_shards(left)

        patiently(attempt)
        self._stored.update((write.shard, write.marks) for write in writes)

    def _unwritten(self, writes: list[ShardWrite]) -> list[ShardWrite]:
        """Return the writes that the store does not hold yet.

        Raises
        ------
        StoreError
            The store is back without what it had acknowledged.
        """
        wanted = {write.shard: write for write in writes}
        left = []
        found = self._store.read_marks(list(self._stored))
        for (shard, stored), marks in zip(self._stored.items(), found, strict=True):
            if shard in wanted and marks == wanted[shard].marks:
                continue
            if marks != stored:
                raise StoreError(
                    f"the store is back, but shard {shard} stands at {marks} and not at {stored}: "
                    "it lost writes, or another flow writes to this model. Start the flow again: "
                    "it goes on from what the store holds"
                )
            if shard in wanted:
                left.append(wanted[shard])
        return left


def merged(writes: list[ShardWrite]) -> list[ShardWrite]:
    """Return one write for each shard that does what all of its writes do, in order."""
    by_shard: dict[str, list[ShardWrite]] = {}
    for write in writes:
        by_shard.setdefault(write.shard, []).append(write)
    return [parts[0] if len(parts) == 1 else _merged(parts) for parts in by_shard.values()]


def _merged(parts: list[ShardWrite]) -> ShardWrite:
    states: dict[str, UserState] = {}
    forgotten: dict[str, None] = {}
    dead: list[DeadLetter] = []
    for part in parts:
        for user_id in part.forgotten:
            states.pop(user_id, None)
            forgotten[user_id] = None
        states.update(part.states)
        dead.extend(part.dead)
    last = parts[-1]
    return ShardWrite(last.shard, states, last.marks, tuple(forgotten), tuple(dead))
