"""The embedded event log as a source."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from flows.batches import SourceBatch
from flows.lease import Lease
from flows.sources.log import LogPartition, LogSource
from schemas.errors import StoreError
from schemas.model_log import Progress, Publish
from serving.store import MemoryStore
from tests.flows.streams import StormyStore, interaction, payload


def events(first: int, count: int) -> list[tuple[str, bytes]]:
    return [("interaction", payload(interaction(n))) for n in range(first, first + count)]


def batches(partition: LogPartition) -> list[SourceBatch]:
    got = []
    while some := partition.next_batch():
        got += some
    return got


def partition_of(source: LogSource, resumed: int | None = None) -> LogPartition:
    [name] = source.list_parts()
    partition = source.build_part("read", name, resumed)
    assert isinstance(partition, LogPartition)
    return partition


def test_the_first_batch_is_empty_and_wakes_the_learner() -> None:
    [first] = partition_of(LogSource(MemoryStore())).next_batch()
    assert (first.seq, first.begin, first.end, first.records) == (0, 0, 0, [])


def test_events_come_in_batches_that_join_without_a_gap() -> None:
    store = MemoryStore()
    places = [place.offset for place in store.append_events(events(0, 25))]
    partition = partition_of(LogSource(store, batch_size=10))
    [_, *got] = batches(partition)
    assert [len(batch.records) for batch in got] == [10, 10, 5]
    assert [batch.seq for batch in got] == [1, 2, 3]
    assert [record[0] for batch in got for record in batch.records] == places
    assert [batch.begin for batch in got] == [0, got[0].end, got[1].end]
    assert partition.snapshot() == got[-1].end == places[-1] + 1
    assert got[-1].newest_ms == places[-1] >> 20
    store.append_events(events(25, 1))
    [later] = batches(partition)
    assert later.begin == got[-1].end


def test_a_quiet_log_is_asked_again_within_milliseconds() -> None:
    partition = partition_of(LogSource(MemoryStore()))
    partition.next_batch()
    for _ in range(5):
        assert partition.next_batch() == []
        wake = partition.next_awake()
        assert wake is not None
        assert wake - datetime.now(UTC) <= timedelta(milliseconds=5)


def test_a_log_that_is_not_followed_ends() -> None:
    partition = partition_of(LogSource(MemoryStore(), follow=False))
    partition.next_batch()
    with pytest.raises(StopIteration):
        partition.next_batch()


def test_reading_starts_at_the_lower_of_low_mark_and_recovery() -> None:
    store = MemoryStore()
    places = [place.offset for place in store.append_events(events(0, 9))]
    store.append(Publish(Progress(version=1, marks={"events": {0: places[5]}}), ()))
    for resumed, start in ((None, places[5]), (places[7], places[5]), (places[2], places[2])):
        source = LogSource(store)
        source.resume_from(store)
        [_, batch] = batches(partition_of(source, resumed))
        assert batch.records[0][0] == start


def test_a_store_that_is_away_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    store = StormyStore()
    store.append_events(events(0, 3))
    partition = partition_of(LogSource(store))
    partition.next_batch()
    store.weather.before["read_events"] = 2
    with caplog.at_level(logging.WARNING):
        assert partition.next_batch() == []
        assert partition.next_batch() == []
        wake = partition.next_awake()
        assert wake is not None
        assert wake > datetime.now(UTC) + timedelta(milliseconds=80)
        [batch] = partition.next_batch()
    assert len(batch.records) == 3
    assert [message.split(":")[0] for message in caplog.messages] == [
        "the event log can't be read, trying on",
        "the event log can be read again",
    ]


def test_the_lease_is_held_while_reading() -> None:
    clock = [1_000_000]
    store = MemoryStore(now_ms=lambda: clock[0])
    source = LogSource(store)
    source.resume_from(store, Lease(store, owner="mine", now_ms=lambda: clock[0]))
    partition = partition_of(source)
    assert store.lease_owner() == "mine"
    for _ in range(4):
        clock[0] += 6_000
        partition.next_batch()
        assert store.lease_owner() == "mine"
    clock[0] += 60_000
    store.acquire("theirs", 60_000)
    with pytest.raises(StoreError, match="theirs learns this model already"):
        partition.next_batch()


def test_a_source_that_is_told_to_end_does() -> None:
    source = LogSource(MemoryStore())
    partition = partition_of(source)
    source.end()
    with pytest.raises(StopIteration):
        partition.next_batch()


def test_a_batch_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size is 0, it must be at least 1"):
        LogSource(MemoryStore(), batch_size=0)
