"""Kafka's topics as sources, read without an engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from bytewax.inputs import StatefulSourcePartition

from flows.batches import SourceBatch
from flows.incidents import Incident, Incidents
from flows.sources.kafka import KafkaSource
from flows.tally import Tally
from schemas.model_log import Progress, Publish
from schemas.positions import Marks
from schemas.settings_kafka import KafkaSettings
from serving.store import MemoryStore
from tests.flows.streams import interaction, payload
from tests.kafka import Kafka, Pair
from tests.patience import PATIENCE_S

Partition = StatefulSourcePartition[SourceBatch, int | None]


def settings_of(kafka: Kafka, *, partitions: int = 1, **changes: Any) -> KafkaSettings:
    """Return settings with a full set of new topics."""
    return KafkaSettings(
        **{"brokers": kafka.brokers, **kafka.topics(partitions=partitions), **changes}
    )


def clicks(count: int, *, first: int = 0) -> list[Pair]:
    """Return interactions with their users as keys."""
    made = [interaction(n) for n in range(first, first + count)]
    return [(fields["user_id"], payload(fields)) for fields in made]


def store_at(marks: Marks) -> MemoryStore:
    """Return a store whose model has absorbed all below some marks."""
    store = MemoryStore()
    store.append(Publish(Progress(version=1, marks=marks), ()))
    return store


def told_incidents() -> tuple[Incidents, list[Incident]]:
    """Return incidents, and the list that they are put into."""
    told: list[Incident] = []
    return Incidents(Tally(), listener=told.append), told


def opened(source: KafkaSource) -> list[Partition]:
    """Return all partitions of a source, on this thread."""
    return [source.build_part("read", name, None) for name in source.list_parts()]


def to_the_end(source: KafkaSource, *, timeout_s: float = PATIENCE_S) -> list[SourceBatch]:
    """Read all partitions until each has ended, and close the source; return the batches."""
    batches: list[SourceBatch] = []
    partitions, deadline = opened(source), time.monotonic() + timeout_s
    while partitions:
        assert time.monotonic() < deadline, "the source does not end"
        for partition in list(partitions):
            try:
                batches += partition.next_batch()
            except StopIteration:
                partition.close()
                partitions.remove(partition)
    source.close()
    return batches


def read_until(
    partitions: Iterable[Partition],
    reached: Callable[[list[SourceBatch]], bool],
    *,
    timeout_s: float = PATIENCE_S,
) -> list[SourceBatch]:
    """Read partitions until what they gave is enough; return the batches."""
    batches: list[SourceBatch] = []
    deadline = time.monotonic() + timeout_s
    while not reached(batches):
        assert time.monotonic() < deadline, f"only {len(batches)} batches came"
        for partition in partitions:
            batches += partition.next_batch()
        time.sleep(0.001)
    return batches


def records_of_batches(batches: Iterable[SourceBatch]) -> int:
    """Return how many records batches hold."""
    return sum(len(batch.records) for batch in batches)


def offsets_in(batches: Iterable[SourceBatch], topic: str, partition: int = 0) -> list[int]:
    """Return the offsets of a partition's records, in the order in which they came."""
    mine = [one for one in batches if (one.topic, one.partition) == (topic, partition)]
    return [record[0] for batch in mine for record in batch.records]


def check_continuous(batches: Iterable[SourceBatch]) -> None:
    """Check that the batches of each partition are numbered and join without a gap."""
    reached: dict[tuple[str, int], tuple[int, int]] = {}
    for batch in batches:
        place = (batch.topic, batch.partition)
        seq, end = reached.get(place, (-1, batch.begin))
        assert (batch.seq, batch.begin) == (seq + 1, end)
        assert all(batch.begin <= record[0] < batch.end for record in batch.records)
        reached[place] = (batch.seq, batch.end)
