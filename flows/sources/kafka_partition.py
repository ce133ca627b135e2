"""One partition of a Kafka topic, as the engine reads it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bytewax.inputs import StatefulSourcePartition

from flows.batches import SourceBatch
from flows.sources.kafka_inbox import Fetched, Inbox, appended_ms
from flows.sources.kafka_reader import Reader
from flows.sources.kafka_records import records_of


class KafkaPartition(StatefulSourcePartition[SourceBatch, int | None]):
    """Where the reading of a partition stands.

    Parameters
    ----------
    inbox
        Filled by the worker's reader.
    event_type
        Of all records.
    keep_reading
        Asked before each batch; ``False`` ends the partition.
    """

    def __init__(
        self,
        reader: Reader,
        inbox: Inbox,
        event_type: str,
        *,
        batch_size: int,
        keep_reading: Callable[[], bool],
    ) -> None:
        self._reader, self._inbox, self._event_type = reader, inbox, event_type
        self._batch_size, self._keep_reading = batch_size, keep_reading
        self._seq = 0
        self._awake_at: datetime | None = None

    def next_batch(self) -> list[SourceBatch]:
        reader, inbox, begin = self._reader, self._inbox, self._inbox.at
        if not self._keep_reading():
            raise StopIteration
        if self._seq == 0:
            # Nothing yet, but it has the learner made ready before the first event comes.
            return [self._batch(begin, [])]
        reader.tend()
        if inbox.is_read:
            raise StopIteration
        horizon_ms = reader.horizon_ms()
        if not inbox.messages or inbox.waits_for(horizon_ms):
            reader.poll()
            horizon_ms = reader.horizon_ms()
        messages = inbox.take(self._batch_size, horizon_ms)
        if inbox.at == begin:
            self._awake_at = reader.awake_at
            return []
        self._awake_at = None
        return [self._batch(begin, messages)]

    def _batch(self, begin: int, messages: list[Fetched]) -> SourceBatch:
        inbox, seq = self._inbox, self._seq
        self._seq += 1
        records = records_of(messages, self._event_type)
        newest_ms = appended_ms(messages[-1]) if messages else None
        return SourceBatch(inbox.topic, inbox.partition, seq, begin, inbox.at, records, newest_ms)

    def next_awake(self) -> datetime | None:
        return self._awake_at

    def snapshot(self) -> int:
        return self._inbox.at

    def close(self) -> None:
        self._reader.leave(self._inbox)
