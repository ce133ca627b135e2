"""A file of CSV or JSON lines, plain or gzip, as a source."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from bytewax.inputs import StatefulSourcePartition

from flows.batches import Record, Refused, SourceBatch
from flows.sources.event_source import EventSource
from flows.sources.head import read_head
from flows.sources.lines import Line, Lines, Oversized
from schemas.decoding import MAX_EVENT_BYTES, user_of

_log = logging.getLogger(__name__)


class FileSource(EventSource):
    """Reads a file from its beginning, or from where a store's marks say that it was left.

    A row's offset is its number, from 0. A row without an event id is identified by that number.

    Parameters
    ----------
    path
        CSV with a header, or JSON lines, either of them gzipped or not: told by the name's ending,
        else by the contents.
    mapping
        Field to column, for columns whose name does not tell: ``{"user_id": "who"}``.
    min_value
        Rows with a lower ``value`` are dropped before everything, and counted as filtered.
    batch_size
        Rows that are read at once.
    limit
        Read only so many rows of the file.

    Attributes
    ----------
    bytes_read
        How far into the file the reading is, for a progress bar.

    Raises
    ------
    SourceError
        The file can't be read or is empty, or it can't be told which column means what.
    """

    def __init__(
        self,
        path: Path,
        *,
        mapping: Mapping[str, str] | None = None,
        min_value: float | None = None,
        batch_size: int = 1_000,
        limit: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, it must be at least 1")
        if limit is not None and limit < 1:
            raise ValueError(f"limit is {limit}, it must be at least 1")
        self.limit, self.bytes_read = limit, 0
        self.path, self.batch_size = path, batch_size
        self.head = read_head(path, mapping or {}, min_value)
        self.topic = self.head.topic
        super().__init__([(self.topic, 0)], self.head.decoder)

    def open_at(self, topic: str, partition: int, start: int | None) -> FilePartition:
        return self.open(start or 0)

    def open(self, row: int = 0) -> FilePartition:
        """Return the file as a partition, to be read from a row on."""
        _log.info("%s: %s", self.path.name, self.head.told)
        if row:
            _log.info("%s: going on at row %d", self.path.name, row)
        return FilePartition(self, row)

    def batches(self) -> Iterator[SourceBatch]:
        """Yield the whole file, without an engine."""
        partition = self.open()
        while True:
            try:
                yield from partition.next_batch()
            except StopIteration:
                return


class FilePartition(StatefulSourcePartition[SourceBatch, int | None]):
    """Where the reading of a file stands."""

    def __init__(self, source: FileSource, start: int) -> None:
        self._source, self._at, self._seq = source, start, 0
        self._lines = Lines(source.path, on_read=self._note_read)
        self._lines.skip(source.head.skipped + start)

    def _note_read(self, bytes_read: int) -> None:
        self._source.bytes_read = bytes_read

    def next_batch(self) -> list[SourceBatch]:
        source = self._source
        count = source.batch_size
        if source.limit is not None:
            count = min(count, source.limit - self._at)
        lines = self._lines.take(count) if count > 0 and source.keep_reading() else []
        if not lines:
            raise StopIteration
        begin, seq = self._at, self._seq
        self._at, self._seq = begin + len(lines), seq + 1
        records = [_record(row, line) for row, line in enumerate(lines, begin)]
        return [SourceBatch(source.topic, 0, seq, begin, self._at, records)]

    def snapshot(self) -> int:
        return self._at


def _record(row: int, line: Line) -> Record:
    if isinstance(line, Oversized):
        message = f"the line has {line.size_bytes} bytes, at most {MAX_EVENT_BYTES} are read"
        return row, Refused("size", message, "unknown", user_of(line.head)), line.head
    return row, "", line
