"""Files as lines."""

from __future__ import annotations

import gzip
import itertools
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flows.sources.lines
from flows.sources.chunks import CHUNK_BYTES, chunks_of
from flows.sources.lines import Line, Lines, Oversized
from schemas.errors import SourceError


def all_of(lines: Lines, count: int = 3) -> list[Line]:
    taken = []
    while some := lines.take(count):
        taken += some
    return taken


@given(
    st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b""))),
    st.integers(1, 40),
    st.integers(1, 20),
)
def test_any_chunks_give_the_same_lines(lines: list[bytes], chunk: int, longest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flows.sources.lines, "MAX_EVENT_BYTES", longest)
        patch.setattr(flows.sources.lines, "KEPT_OF_OVERSIZED", 1)
        whole = b"".join(line + b"\n" for line in lines)
        chunks = (whole[at : at + chunk] for at in range(0, len(whole), chunk))
        got = list(flows.sources.lines._lines(chunks))
    assert got == [
        line if len(line) <= longest else Oversized(line[:1], len(line)) for line in lines
    ]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", [b"", b"\n"])
def test_files_are_read_to_their_last_line(tmp_path: Path, packed: bool, ending: bytes) -> None:
    path = tmp_path / "file"
    lines = [f"line {n}".encode() * 20 for n in range(5_000)]
    content = b"\n".join(lines) + ending
    path.write_bytes(gzip.compress(content) if packed else content)
    assert all_of(Lines(path), 999) == lines
    skipped = Lines(path)
    skipped.skip(4_990)
    assert all_of(skipped) == lines[4_990:]
    skipped.skip(1)


def test_a_long_line_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"first\n")
        for _ in range(200):
            file.write(b"x" * 1_000_000)
        file.write(b"\nlast")
    first, long, last = all_of(Lines(path))
    assert (first, last) == (b"first", b"last")
    assert long == Oversized(b"x" * 4_096, 200_000_000)
    assert max(len(chunk) for chunk in itertools.islice(chunks_of(path), 20)) <= CHUNK_BYTES


def test_a_long_last_line_without_an_end_is_known_by_its_length(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(b"first\n" + b"x" * 3_000_000)
    assert all_of(Lines(path)) == [b"first", Oversized(b"x" * 4_096, 3_000_000)]


def test_members_of_a_gzip_file_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "two.gz"
    path.write_bytes(gzip.compress(b"a\nb") + gzip.compress(b"c\nd\n") + b"\0" * 512)
    assert all_of(Lines(path)) == [b"a", b"bc", b"d"]


def test_a_gzip_file_that_is_cut_short_gives_what_it_has_and_then_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    whole = gzip.compress(b"".join(f"{n}\n".encode() for n in range(200_000)))
    path.write_bytes(whole[: len(whole) // 2])
    lines, taken = Lines(path), list[Line]()
    with pytest.raises(SourceError, match=rf"cut\.gz is cut short: .* {len(whole) // 2}; every"):
        taken.extend(iter(lambda: lines.take(1)[0], None))
    assert 50_000 < len(taken) < 150_000
    assert taken == [str(n).encode() for n in range(len(taken))]
    with pytest.raises(SourceError, match="is cut short"):
        lines.take(1)


def test_a_damaged_gzip_file_says_where(tmp_path: Path) -> None:
    path = tmp_path / "bad.gz"
    whole = bytearray(gzip.compress(bytes(range(256)) * 2_000))
    whole[30:60] = b"\xff" * 30
    path.write_bytes(whole)
    with pytest.raises(SourceError, match=r"bad\.gz is damaged: its gzip stream breaks near byte"):
        all_of(Lines(path))


def test_a_wrong_checksum_is_damage_too(tmp_path: Path) -> None:
    path = tmp_path / "sum.gz"
    whole = bytearray(gzip.compress(b"a\nb\n"))
    whole[-8] ^= 1
    path.write_bytes(whole)
    lines = Lines(path)
    assert lines.take(2) == [b"a", b"b"]
    with pytest.raises(SourceError, match="incorrect data check"):
        lines.take(1)


def test_garbage_behind_a_gzip_file_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "tail.gz"
    path.write_bytes(gzip.compress(b"a\n") + b"garbage")
    with pytest.raises(SourceError, match="is damaged"):
        all_of(Lines(path))


def test_an_empty_gzip_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "empty.gz"
    path.write_bytes(gzip.compress(b""))
    assert all_of(Lines(path)) == []
    assert zlib.decompress(path.read_bytes(), 31) == b""


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.csv can't be read: No such file or directory"):
        Lines(tmp_path / "gone.csv").take(1)
    with pytest.raises(SourceError, match="can't be read: Is a directory"):
        Lines(tmp_path).take(1)
