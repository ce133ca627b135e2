"""The model's log, written."""

from __future__ import annotations

import pytest

from flows.publish import PublishSink
from flows.tally import Tally
from schemas.errors import StoreError
from schemas.model_config import ModelConfig
from schemas.model_log import Configure, Entry, Progress, Publish, Sightings
from tests.flows.streams import StormyStore


def publish(version: int, *entries: Entry) -> Publish:
    progress = Progress(version=version, marks={"events": {0: version * 10}})
    return Publish(progress, entries or (Sightings((f"i{version}",), (1,)),))


def base(version: int) -> Publish:
    return publish(version, Configure(ModelConfig()))


def write(store: StormyStore, *publishes: Publish, trims: bool = False) -> Tally:
    tally = Tally()
    sink = PublishSink(store, tally=tally, trims_events=trims).build("publish", 0, 1)
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


def test_a_store_that_lost_the_end_of_the_log_ends_the_flow() -> None:
    store = StormyStore()
    write(store, publish(1))
    store.weather.before["append"] = 1
    with pytest.raises(StoreError, match=r"ends at version 1 and not at 4: it lost writes\. Start"):
        write(store, publish(5))


def test_the_event_log_is_trimmed_behind_the_mark_now_and_then() -> None:
    class Trimmed(StormyStore):
        below: tuple[int, ...] = ()

        def trim_events(self, below_offset: int) -> None:
            self.below = (*self.below, below_offset)

    store = Trimmed()
    write(store, *[publish(version) for version in range(1, 45)], trims=True)
    assert store.below == (200, 400)
    store = Trimmed()
    write(store, *[publish(version) for version in range(1, 45)])
    assert store.below == ()
