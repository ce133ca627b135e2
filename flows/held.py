"""What the shards hold, and from where on a store that lost writes is to be given them again.

A store may come back without its last writes, and everything in it that lies in one slot comes back
as of one earlier moment: the model with its low-water marks and what is recorded here; each shard
with its states, marks and dead letters. One Redis has one past, so that all of it is as of the same
moment; in a Redis Cluster each slot has its own. Three rules make every such state one to go on
from:

1. *Shards first.* A lesson reaches the learner once its shard is stored. So whatever moment one
   Redis comes back to, its shards hold all that lies below its low-water marks, and a flow that
   starts there misses nothing; what shards hold beyond is contained, and changes nothing.
2. *Shards are looked at.* What a shard is seen to hold is recorded with every publish, in the
   publish's own slot, and never falls. A shard that holds less than is recorded has lost writes,
   and holds all that lies below its own marks: there the flow starts, if that is lower. A shard
   without an event since is not behind, however far the low-water marks have gone on: nothing
   higher was recorded of it.
3. *Nothing is published past a loss.* Each publish looks first whether the shards still hold what
   this flow saw them hold. A loss between that look and the publish is found by the next one, or
   by the next start: the record tells.

A publish or a shard's write that itself does not follow what the store holds is refused by the
store. The embedded event log is trimmed behind the marks of the publish before the newest one,
which all shards of one Redis hold by rule 1; beside a Redis Cluster the source must retain what its
replicas may lack, which a log inside that cluster can't promise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from flows.batches import Lesson
from schemas.errors import StoreUnavailable
from schemas.positions import Marks, advance, higher, mark_of
from serving.store import Store
from serving.store.refusals import shard_elsewhere

LOOKS_EVERY_MS = 1_000


class Held:
    """What a flow has seen its shards hold: 64 marks for each partition of its sources."""

    def __init__(self) -> None:
        self._seen: dict[str, Marks] = {}
        self._moved: set[str] = set()
        self._recorded: dict[str, Marks] | None = None
        self._lock = threading.Lock()

    def note(self, lesson: Lesson) -> None:
        """Take in that a lesson's shard holds all of its events."""
        if lesson.held:
            with self._lock:
                marks = self._seen.setdefault(lesson.shard, {})
                advance(marks, lesson.topic, lesson.partition, lesson.held)
            self._moved.add(lesson.shard)

    def check(self, store: Store) -> None:
        """Look whether the store still holds all that was noted.

        Raises
        ------
        StoreRolledBack
            A shard has lost writes.
        """
        with self._lock:  # workers that read may look too
            seen = {shard: higher({}, marks) for shard, marks in self._seen.items()}
        for shard, marks in zip(seen, store.read_marks(list(seen)), strict=True):
            if any(_lacking(marks, seen[shard])):
                raise shard_elsewhere(shard, marks, seen[shard])

    def unrecorded(self, store: Store) -> dict[str, Marks]:
        """Return the marks to record, of shards that have moved since they were last recorded."""
        if self._recorded is None:
            self._recorded = store.held()
        recorded = self._recorded
        return {s: higher(recorded.get(s, {}), self._seen[s]) for s in sorted(self._moved)}

    def record(self, marks: dict[str, Marks]) -> None:
        """Take in that these marks have been recorded."""
        assert self._recorded is not None
        self._recorded |= marks
        self._moved.clear()


class Lookout:
    """Looks about once a second whether the store still holds what it held, events or none.

    Without one, a store that lost writes while nothing happens would be found out, and its users
    be caught up, only by the next event.
    """

    def __init__(self, held: Held, store: Store, *, now_ms: Callable[[], int]) -> None:
        self._held, self._store, self._now_ms = held, store, now_ms
        self._look_at_ms = 0

    def __call__(self) -> None:
        """Look, where it is time to. Raises ``StoreRolledBack`` as ``Held.check``."""
        now_ms = self._now_ms()
        if now_ms < self._look_at_ms:
            return
        self._look_at_ms = now_ms + LOOKS_EVERY_MS
        try:
            self._held.check(self._store)
        except StoreUnavailable:
            return  # whoever needs the store waits for it, and says so


def resume_marks(store: Store) -> Marks:
    """Return where a flow has to start: the low-water marks, or lower where a shard lost writes."""
    start, held = store.low_marks(), store.held()
    for marks, recorded in zip(store.read_marks(list(held)), held.values(), strict=True):
        for topic, partition, until in _lacking(marks, recorded):
            if until < mark_of(start, topic, partition):
                start[topic][partition] = until
    return start


def _lacking(marks: Marks, wanted: Marks) -> list[tuple[str, int, int]]:
    """Return the marks that are lower than wanted."""
    return [
        (topic, partition, mark_of(marks, topic, partition))
        for topic, partitions in wanted.items()
        for partition, until in partitions.items()
        if mark_of(marks, topic, partition) < until
    ]
