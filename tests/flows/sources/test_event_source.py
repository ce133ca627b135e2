"""Sources of several partitions, on several threads."""

from __future__ import annotations

import threading
import time

import pytest
from bytewax.inputs import StatefulSourcePartition

from flows.batches import SourceBatch
from flows.decode import decode_json
from flows.lease import Lease
from flows.sources.event_source import EventSource
from schemas.errors import RillrecError, SourceError, StoreError
from schemas.model_log import Progress, Publish
from serving.store import MemoryStore


class Numbers(StatefulSourcePartition[SourceBatch, int | None]):
    """Empty batches, until it is told to end or its place is one that breaks."""

    def __init__(self, source: Numbered, place: int, start: int | None) -> None:
        self._source, self._place, self.start = source, place, start

    def next_batch(self) -> list[SourceBatch]:
        if not self._source.keep_reading():
            raise StopIteration
        if self._place == self._source.breaks:
            raise SourceError(f"{self._place} is broken")
        return []

    def snapshot(self) -> int | None:
        return self.start


class Numbered(EventSource):
    def __init__(self, partitions: int = 4, *, breaks: int = -1, shut: int = -1) -> None:
        super().__init__([("a/b", place) for place in range(partitions)], decode_json)
        self.breaks, self.shut = breaks, shut
        self.told: list[RillrecError] = []

    def open_at(self, topic: str, partition: int, start: int | None) -> Numbers:
        if partition == self.shut:
            raise SourceError(f"{topic}/{partition} is shut")
        return Numbers(self, partition, start)

    def opened(self) -> list[StatefulSourcePartition[SourceBatch, int | None]]:
        self.on_failure = self.told.append
        return [self.build_part("read", name, None) for name in self.list_parts()]


def ended(partition: StatefulSourcePartition[SourceBatch, int | None]) -> bool:
    try:
        partition.next_batch()
    except StopIteration:
        return True
    return False


def test_every_partition_has_a_name_of_its_own() -> None:
    assert Numbered(2).list_parts() == ["a/b/0", "a/b/1"]


@pytest.mark.parametrize(
    ("mark", "resumed", "start"),
    [(None, None, None), (5, None, 5), (5, 7, 5), (5, 2, 2), (None, 3, None), (0, 3, 0)],
)
def test_a_partition_starts_at_the_lower_of_mark_and_recovery(
    mark: int | None, resumed: int | None, start: int | None
) -> None:
    store, source = MemoryStore(), Numbered()
    marks = {} if mark is None else {1: mark}
    store.append(Publish(Progress(version=1, marks={"a/b": {0: 99, **marks}}), ()))
    source.resume_from(store)
    partition = source.build_part("read", "a/b/1", resumed)
    assert partition.snapshot() == start


def test_all_partitions_start_at_marks_of_one_moment() -> None:
    store, source = MemoryStore(), Numbered(2)
    store.append(Publish(Progress(version=1, marks={"a/b": {0: 5, 1: 6}}), ()))
    source.resume_from(store)
    first = source.build_part("read", "a/b/0", None)
    store.append(Publish(Progress(version=2, marks={"a/b": {0: 9, 1: 9}}), ()))
    second = source.build_part("read", "a/b/1", None)
    assert (first.snapshot(), second.snapshot()) == (5, 6)


def test_one_partition_that_breaks_ends_all_of_them() -> None:
    source = Numbered(breaks=2)
    partitions = source.opened()
    assert [ended(one) for one in partitions] == [False, False, True, True]
    assert all(ended(one) for one in partitions)
    assert [str(error) for error in source.told] == ["2 is broken"]


def test_one_partition_that_can_not_be_opened_ends_all_of_them() -> None:
    source = Numbered(shut=1)
    assert all(ended(one) for one in source.opened())
    assert [str(error) for error in source.told] == ["a/b/1 is shut"]


def test_a_lease_that_is_refused_is_asked_for_once_not_by_every_partition() -> None:
    store, waited = MemoryStore(), [0.0]
    store.acquire("theirs", 60_000)

    def sleep(seconds: float) -> None:
        waited[0] += seconds

    source = Numbered(3)
    now_ms = time.time_ns() // 1_000_000
    source.resume_from(store, Lease(store, owner="mine", now_ms=lambda: now_ms, sleep=sleep))
    assert all(ended(one) for one in source.opened())
    assert [type(error) for error in source.told] == [StoreError]
    assert waited[0] < 15


def test_threads_that_fail_together_tell_one_after_the_other() -> None:
    source, inside, most = Numbered(1, breaks=0), [0], [0]

    def tell(error: RillrecError) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        inside[0] -= 1
        source.told.append(error)

    source.on_failure = tell
    partitions = [source.build_part("read", "a/b/0", None) for _ in range(4)]
    gate = threading.Barrier(4)

    def read(partition: StatefulSourcePartition[SourceBatch, int | None]) -> None:
        gate.wait()
        assert ended(partition)

    threads = [threading.Thread(target=read, args=(one,)) for one in partitions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(source.told) <= 4
    assert most == [1]
