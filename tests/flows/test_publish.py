"""The model's log, written."""

from __future__ import annotations

from typing import Any

import pytest

from flows.batches import Lesson
from flows.held import Held
from flows.publish import PublishSink
from flows.tally import Tally
from schemas.errors import StoreError, StoreRolledBack
from schemas.model_config import ModelConfig
from schemas.model_log import Configure, Entry, Evict, Progress, Publish, Put, Sightings
from serving.store import ShardWrite
from serving.store.bases import PART_BYTES
from tests.flows.streams import StormyStore


def publish(version: int, *entries: Entry) -> Publish:
    progress = Progress(version=version, marks={"events": {0: version * 10}})
    return Publish(progress, entries or (Sightings((f"i{version}",), (1,)),))


def base(version: int) -> Publish:
    return publish(version, Configure(ModelConfig()))


def write(
    store: StormyStore, *publishes: Publish, trims: bool = False, held: Held | None = None
) -> Tally:
    tally = Tally()
    sink = PublishSink(store, tally=tally, held=held, trims_events=trims).build("publish", 0, 1)
    sink.write_batch([("model", one) for one in publishes])
    return tally


def test_publishes_are_appended_and_bases_kept() -> None:
    store = StormyStore()
    tally = write(store, publish(1), base(1), publish(2))
    assert [one.progress.version for one in store.read_log(1)] == [2]
    assert store.newest_base() == base(1)
    assert store.low_marks() == {"events": {0: 20}}
    assert tally.publishes == {"log": 2, "base": 1}
    assert tally.model_version == 2


def large_base(version: int, parts: int) -> Publish:
    puts = [Put("t", bytes(8), bytes(PART_BYTES)) for _ in range(parts - 1)]
    return publish(version, Configure(ModelConfig()), *puts, Evict((1,)))


def test_a_large_base_is_spread_over_publishes_and_another_left_out_meanwhile() -> None:
    store, tally = StormyStore(), Tally()
    sink = PublishSink(store, tally=tally).build("publish", 0, 1)
    sink.write_batch([("model", one) for one in (publish(1), large_base(1, 40))])
    for version in range(2, 14):
        sink.write_batch([("model", publish(version)), ("model", base(version))])
        assert store.weather.calls.count("stage_base") <= 6 * version
        assert store.newest_base() is None
        if store.weather.calls.count("stage_base") == 39:
            break
    sink.write_batch([("model", publish(version + 1))])
    assert store.newest_base() == large_base(1, 40)
    assert tally.publishes["base"] == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_reply_appends_nothing_twice(when: str) -> None:
    store = StormyStore()
    write(store, publish(1))
    getattr(store.weather, when)["append"] = 1
    write(store, publish(2), publish(3))
    assert store.read_log(0) == [publish(1), publish(2), publish(3)]


def test_a_second_flow_is_stopped_by_the_log() -> None:
    store = StormyStore()
    write(store, publish(1))
    with pytest.raises(StoreError, match="another flow publishes to this model"):
        write(store, publish(1, Sightings(("mine",), (1,))))


def test_a_lost_reply_is_not_taken_for_that_of_another_flow() -> None:
    store = StormyStore()
    store.append(publish(1, Sightings(("theirs",), (1,))))
    store.weather.before["append"] = 1
    with pytest.raises(StoreError, match="another flow publishes to this model"):
        write(store, publish(1))


def test_a_store_that_lost_the_end_of_the_log_gets_nothing_more() -> None:
    store = StormyStore()
    write(store, publish(1))
    lost = r"ends at version 1 and not at 4: the store lost writes"
    for late in (publish(5), base(4)):
        with pytest.raises(StoreRolledBack, match=lost):
            write(store, late)
    assert store.version() == 1


def test_nothing_is_published_past_writes_that_a_shard_lost() -> None:
    store, held = StormyStore(), Held()
    for shard in ("s01", "s02"):
        store.write_shards([ShardWrite(shard, {}, {"events": {0: 9}})])
        held.note(Lesson("events", 0, 0, 1, 9, [], [], shard=shard, held=9))
    write(store, publish(1), held=held)
    store.write_shards([ShardWrite("s02", {}, {"events": {0: 4}})])
    with pytest.raises(StoreRolledBack, match=r"shard s02 stands at .* the store lost writes"):
        write(store, publish(2), held=held)
    assert store.version() == 1


def test_what_shards_hold_is_recorded_when_it_has_moved() -> None:
    class Told(StormyStore):
        held_with: tuple[object, ...] = ()

        def append(self, publish: Publish, *, held: Any = None) -> None:
            self.held_with = (*self.held_with, held)
            super().append(publish, held=held)

    store, held = Told(), Held()
    store.write_shards([ShardWrite("s01", {}, {"events": {0: 9}})])
    held.note(Lesson("events", 0, 0, 1, 9, [], [], shard="s01", held=9))
    held.note(Lesson("events", 0, 1, 1, 12, [], []))
    write(store, publish(1), publish(2), held=held)
    assert store.held_with == ({"s01": {"events": {0: 9}}}, {})
    assert store.held() == {"s01": {"events": {0: 9}}}


def test_the_event_log_is_trimmed_behind_the_publish_before_now_and_then() -> None:
    class Trimmed(StormyStore):
        trims: tuple[tuple[int, int], ...] = ()

        def trim_events(self, below_offset: int, *, at: Progress) -> None:
            self.trims = (*self.trims, (at.version, below_offset))

    store = Trimmed()
    write(store, *[publish(version) for version in range(1, 45)], trims=True)
    assert store.trims == ((20, 190), (40, 390))
    store = Trimmed()
    write(store, *[publish(version) for version in range(1, 45)])
    assert store.trims == ()
