"""The embedded event log as a source."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from bytewax.inputs import StatefulSourcePartition

from flows.batches import SourceBatch
from flows.decode import decode_json
from flows.patience import waits_s
from flows.sources.event_source import EventSource
from schemas.errors import StoreUnavailable
from serving.store import Store
from serving.store.protocol import EVENTS_TOPIC

_IDLE_MS = (1, 2, 5)  # then every 5 ms
_SEQUENCE_BITS = 20
_log = logging.getLogger(__name__)


class LogSource(EventSource):
    """Reads the event log that ``Track`` appends to, in batches.

    Parameters
    ----------
    batch_size
        The most events that are read at once.
    follow
        Wait for more at the end of the log, rather than end.
    """

    def __init__(self, store: Store, *, batch_size: int = 1_000, follow: bool = True) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, it must be at least 1")
        super().__init__([(EVENTS_TOPIC, 0)], decode_json)
        self.store, self.batch_size, self.follow = store, batch_size, follow

    def open_at(self, topic: str, partition: int, start: int | None) -> LogPartition:
        _log.info("reading the event log from offset %d", start or 0)
        return LogPartition(self, start or 0)


class LogPartition(StatefulSourcePartition[SourceBatch, int | None]):
    """Where the reading of the log stands."""

    def __init__(self, source: LogSource, start: int) -> None:
        self._source, self._at, self._seq = source, start, 0
        self._idle = 0
        self._waits_s = waits_s()
        self._away = False
        self._awake_at: datetime | None = None

    def next_batch(self) -> list[SourceBatch]:
        source = self._source
        if not source.keep_reading():
            raise StopIteration
        if self._seq == 0:
            # Nothing yet, but it has the learner made ready before the first event comes.
            return [self._batch([])]
        try:
            events = source.store.read_events(self._at, count=source.batch_size)
        except StoreUnavailable as error:
            self._be_away(error)
            return []
        if self._away:
            _log.warning("the event log can be read again")
            self._waits_s, self._away = waits_s(), False
        if not events:
            if not source.follow:
                raise StopIteration
            self._sleep(_IDLE_MS[min(self._idle, len(_IDLE_MS) - 1)] / 1_000)
            self._idle += 1
            return []
        self._idle, self._awake_at = 0, None
        return [self._batch(events)]

    def _batch(self, events: list[tuple[int, str, bytes]]) -> SourceBatch:
        begin, seq, newest_ms = self._at, self._seq, None
        if events:
            newest = events[-1][0]
            self._at, newest_ms = newest + 1, newest >> _SEQUENCE_BITS
        self._seq += 1
        return SourceBatch(EVENTS_TOPIC, 0, seq, begin, self._at, [*events], newest_ms)

    def _be_away(self, error: StoreUnavailable) -> None:
        if not self._away:
            _log.warning("the event log can't be read, trying on: %s", error)
        self._away = True
        self._sleep(next(self._waits_s))

    def _sleep(self, wait_s: float) -> None:
        self._awake_at = datetime.now(UTC) + timedelta(seconds=wait_s)

    def next_awake(self) -> datetime | None:
        return self._awake_at

    def snapshot(self) -> int:
        return self._at
