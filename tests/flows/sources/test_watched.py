"""A file that breaks off ends the flow in order; nothing that stood before is lost."""

import gzip
from pathlib import Path
from typing import NoReturn

import pytest
from bytewax.inputs import StatefulSourcePartition

from flows.batches import SourceBatch
from flows.sources.file import FileSource
from schemas.errors import RillrecError, SourceError, StoreError
from serving.store import MemoryStore


def broken_file(folder: Path) -> Path:
    rows = "".join(f"{1_700_000_000 + n},u{n % 97},i{n * n}\n" for n in range(5_000))
    file = folder / "a.csv.gz"
    file.write_bytes(gzip.compress(f"ts,user,item\n{rows}".encode())[:-500])
    return file


def read_on(
    partition: StatefulSourcePartition[SourceBatch, int], read: list[SourceBatch]
) -> NoReturn:
    while True:
        read += partition.next_batch()


def test_what_stands_before_a_break_is_read_and_the_failure_told(tmp_path: Path) -> None:
    source = FileSource(broken_file(tmp_path))
    told: list[RillrecError] = []
    source.on_failure = told.append
    partition = source.build_part("read", *source.list_parts(), None)
    read: list[SourceBatch] = []
    with pytest.raises(StopIteration):
        read_on(partition, read)
    rows = sum(len(batch.records) for batch in read)
    assert rows > 3_000
    assert partition.snapshot() == rows
    assert [type(error) for error in told] == [SourceError]


def test_without_anybody_to_tell_the_error_is_raised(tmp_path: Path) -> None:
    source = FileSource(broken_file(tmp_path))
    partition = source.build_part("read", *source.list_parts(), None)
    with pytest.raises(SourceError, match="is cut short"):
        read_on(partition, [])


def test_a_source_that_can_not_be_opened_is_told_and_empty(tmp_path: Path) -> None:
    class Refusing(MemoryStore):
        def low_marks(self) -> dict[str, dict[int, int]]:
            raise StoreError("no")

    source = FileSource(broken_file(tmp_path))
    told: list[RillrecError] = []
    source.on_failure = told.append
    source.resume_from(Refusing())
    partition = source.build_part("read", *source.list_parts(), 7)
    with pytest.raises(StopIteration):
        partition.next_batch()
    assert [str(error) for error in told] == ["no"]
    assert partition.snapshot() == 7
