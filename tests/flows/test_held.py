"""A store that comes back without some of its writes is found out, and caught up."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from bytewax.inputs import AbortExecution
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.batches import Lesson, SourceBatch
from flows.held import Held, Lookout, resume_marks
from flows.sources.log import LogPartition, LogSource
from online_models.learner import Learner
from schemas.errors import StoreRolledBack
from schemas.keys import shard_of
from schemas.model_log import Progress, Publish
from schemas.positions import Marks
from serving.store import MemoryStore, ShardWrite
from tests.flows.streams import START_MS, StormyStore, run, troubled


def noted(shard: str, until: int, *, partition: int = 0) -> Lesson:
    return Lesson("t", partition, 0, 1, until, [], [], shard=shard, held=until)


def stored(store: MemoryStore, shard: str, marks: Marks) -> None:
    store.write_shards([ShardWrite(shard, {}, marks)])


def published(store: MemoryStore, low: Marks, *lessons: Lesson) -> None:
    held = Held()
    for lesson in lessons:
        held.note(lesson)
    marks = held.unrecorded(store)
    version = store.version() + 1
    store.append(Publish(Progress(version=version, marks=low), ()), held=marks)
    held.record(marks)
    assert held.unrecorded(store) == {}


def test_a_flow_starts_at_the_low_water_marks() -> None:
    store = MemoryStore()
    assert resume_marks(store) == {}
    stored(store, "s01", {"t": {0: 40}})
    stored(store, "s02", {"t": {0: 90}})
    published(store, {"t": {0: 80}}, noted("s01", 40), noted("s02", 90))
    assert resume_marks(store) == {"t": {0: 80}}


def test_a_shard_without_a_new_event_is_not_behind() -> None:
    store = MemoryStore()
    stored(store, "s01", {"t": {0: 4}})
    published(store, {"t": {0: 80, 1: 7}}, noted("s01", 4))
    published(store, {"t": {0: 900, 1: 70}})
    assert resume_marks(store) == {"t": {0: 900, 1: 70}}


def test_a_flow_starts_where_a_shard_has_lost_writes() -> None:
    store = MemoryStore()
    low = {"t": {0: 80, 1: 60}, "u": {0: 5}}
    published(store, low, noted("s01", 70), noted("s01", 30, partition=1), noted("s02", 75))
    stored(store, "s01", {"t": {0: 20, 1: 30}})
    stored(store, "s02", {"t": {0: 50}})
    assert resume_marks(store) == {"t": {0: 20, 1: 60}, "u": {0: 5}}
    stored(store, "s02", {})
    assert resume_marks(store)["t"] == {0: 0, 1: 60}


def test_what_a_shard_lost_beyond_the_low_water_marks_is_read_again_anyhow() -> None:
    store = MemoryStore()
    published(store, {"t": {0: 80}}, noted("s01", 99), noted("s01", 9, partition=1))
    stored(store, "s01", {"t": {0: 85}})
    assert resume_marks(store) == {"t": {0: 80}}


def test_what_is_recorded_of_a_shard_does_not_fall_while_it_is_caught_up() -> None:
    store = MemoryStore()
    published(store, {"t": {0: 80}}, noted("s01", 70))
    stored(store, "s01", {"t": {0: 35}})
    published(store, {"t": {0: 80, 1: 1}}, noted("s01", 35))
    assert store.held() == {"s01": {"t": {0: 70}}}
    assert resume_marks(store) == {"t": {0: 35, 1: 1}}


def test_shards_are_looked_at_for_what_this_flow_saw_them_hold() -> None:
    store, held = MemoryStore(), Held()
    published(store, {}, noted("s02", 70))
    stored(store, "s01", {"t": {0: 20}})
    held.note(noted("s01", 20))
    held.check(store)
    stored(store, "s01", {"t": {0: 19}})
    with pytest.raises(StoreRolledBack, match=r"shard s01 stands at \{'t': \{0: 19\}\}"):
        held.check(store)


# ---- any loss --------------------------------------------------------------------------------

MODEL = "model"
SLOTS = (MODEL, *sorted({shard_of(f"u{n}") for n in range(6)}))
_MODEL_FIELDS = ("_log", "_bases", "_version", "_low", "_held")


class ClusterOfSlots(MemoryStore):
    """A store of slots, each of which may go back to any of its pasts, as a Redis Cluster's may.

    ``losses`` are what happens at the n-th write: slots, and by how many writes they go back.
    """

    def __init__(self) -> None:
        super().__init__(now_ms=lambda: START_MS)
        self.pasts: dict[str, list[Any]] = {slot: [self._present(slot)] for slot in SLOTS}
        self.losses: dict[int, dict[str, int]] = {}
        self.writes = 0

    def _present(self, slot: str) -> Any:
        if slot == MODEL:
            return copy.copy({name: copy.copy(getattr(self, name)) for name in _MODEL_FIELDS})
        users = {user: state for user, state in self._users.items() if shard_of(user) == slot}
        marks, erased = copy.deepcopy(self._marks.get(slot, {})), dict(self._erased.get(slot, {}))
        return users, marks, [*self._dead.get(slot, [])], erased

    def lose(self, slot: str, writes: int) -> None:
        """Take a slot back by so many writes."""
        pasts = self.pasts[slot]
        del pasts[max(1, len(pasts) - writes) :]
        past = copy.deepcopy(pasts[-1])
        if slot == MODEL:
            vars(self).update(past)
            return
        users, self._marks[slot], self._dead[slot], self._erased[slot] = past
        self._users = {u: state for u, state in self._users.items() if shard_of(u) != slot} | users

    def _lose_what_is_due(self) -> None:
        self.writes += 1
        for slot, writes in self.losses.pop(self.writes, {}).items():
            self.lose(slot, writes)

    def write_shards(self, writes: Any) -> None:
        self._lose_what_is_due()
        super().write_shards(writes)
        for write in writes:
            if write.shard in self.pasts:
                self.pasts[write.shard].append(self._present(write.shard))

    def append(self, publish: Publish, *, held: Any = None) -> None:
        self._lose_what_is_due()
        super().append(publish, held=held)
        self.pasts[MODEL].append(self._present(MODEL))

    def keep_base(self, progress: Progress, parts: int) -> None:
        super().keep_base(progress, parts)
        self.pasts[MODEL].append(self._present(MODEL))

    def trim_events(self, below_offset: int, *, at: Progress) -> None:
        """Keep all, as a source does that retains more than replicas may lack."""


class AbortingSource(LogSource):
    """Dies after so many batches."""

    def __init__(self, store: MemoryStore, *, after: int) -> None:
        super().__init__(store, follow=False, batch_size=9)
        self.after = after

    def open_at(self, topic: str, partition: int, start: int | None) -> LogPartition:
        return AbortingPartition(self, start or 0)


class AbortingPartition(LogPartition):
    def next_batch(self) -> list[SourceBatch]:
        source = self._source
        assert isinstance(source, AbortingSource)
        source.after -= 1
        if source.after < 0:
            raise AbortExecution
        return super().next_batch()


def outcome(learner: Learner, store: MemoryStore) -> tuple[Any, ...]:
    progress = learner.state.progress
    users = store.read_users([f"u{n}" for n in range(6)])
    dead = store.dead_letters(limit=10_000)
    return users, dead, progress.trained, progress.absorbed, progress.marks


def learnt_from(store: ClusterOfSlots, *, after: int = 10**9) -> Learner | None:
    """Run the flow; return its learner, ``None`` where it noticed a loss."""
    try:
        return run(AbortingSource(store, after=after), store, publish_interval_ms=0)[0]
    except BaseException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, StoreRolledBack):
            cause = cause.__cause__
        if cause is None:
            raise
        return None


losses = st.dictionaries(st.sampled_from(SLOTS), st.integers(1, 30), min_size=1, max_size=3)


@pytest.mark.slow
@pytest.mark.timeout(1_200)  # kernels are compiled by whatever test comes first
@given(
    st.lists(st.tuples(st.integers(2, 9), losses), max_size=3),
    st.dictionaries(st.integers(1, 60), losses, max_size=2),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_slots_lose_and_whenever_all_is_as_if_nothing_had_been_lost(
    crashes: list[tuple[int, dict[str, int]]], surprises: dict[int, dict[str, int]]
) -> None:
    events = troubled(130, users=6, seed=3)
    undisturbed, store = ClusterOfSlots(), ClusterOfSlots()
    undisturbed.append_events(events)
    store.append_events(events)
    store.losses = copy.deepcopy(surprises)
    for after, lost in crashes:
        learnt_from(store, after=after)
        for slot, writes in lost.items():
            store.lose(slot, writes)
    for _ in range(1 + len(surprises)):
        learnt_from(store)
    store.losses.clear()
    # A loss behind the last publish is found by whoever starts next.
    learner = learnt_from(store)
    wanted = learnt_from(undisturbed)
    assert learner is not None
    assert wanted is not None
    assert outcome(learner, store) == outcome(wanted, undisturbed)


def test_a_loss_is_noticed_within_a_second_though_no_event_comes() -> None:
    store, held, clock = MemoryStore(), Held(), [0]
    look = Lookout(held, store, now_ms=lambda: clock[0])
    stored(store, "s01", {"t": {0: 40}})
    held.note(noted("s01", 40))
    look()
    stored(store, "s01", {"t": {0: 39}})
    clock[0] += 999
    look()
    clock[0] += 1
    with pytest.raises(StoreRolledBack, match="shard s01 stands at"):
        look()


def test_a_store_that_is_away_is_left_to_those_who_wait_for_it() -> None:
    store, held = StormyStore(), Held()
    stored(store, "s01", {"t": {0: 40}})
    held.note(noted("s01", 40))
    store.weather.before["read_marks"] = 1
    Lookout(held, store, now_ms=lambda: 5)()
