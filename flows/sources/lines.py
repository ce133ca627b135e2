"""A file as numbered lines, none of which is held in memory beyond the size of an event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from flows.batches import KEPT_OF_OVERSIZED
from flows.sources.chunks import chunks_of
from schemas.decoding import MAX_EVENT_BYTES
from schemas.errors import SourceError


class Oversized(Struct, frozen=True):
    """A line that was too long to keep: its beginning and its length."""

    head: bytes
    size_bytes: int


Line = bytes | Oversized


class Lines:
    """Reads lines, without their ends. A last line without an end counts too.

    Where a file breaks off, the lines before are given first and the error at the next call; what
    stands behind the last whole line is dropped, as nobody knows how it goes on.
    """

    def __init__(self, path: Path, *, on_read: Callable[[int], None] | None = None) -> None:
        self._lines = _lines(chunks_of(path, on_read=on_read))
        self._error: SourceError | None = None

    def skip(self, count: int) -> None:
        """Pass over lines."""
        while count > 0 and (passed := len(self.take(min(count, 10_000)))):
            count -= passed

    def take(self, count: int) -> list[Line]:
        """Return the next lines, at most ``count``; none at the end.

        Raises
        ------
        SourceError
            The file breaks off here, or can't be read.
        """
        if self._error is not None:
            raise self._error
        taken: list[Line] = []
        try:
            for line in self._lines:
                taken.append(line)
                if len(taken) == count:
                    break
        except SourceError as error:
            self._error = error
            if not taken:
                raise
        return taken


def _lines(chunks: Iterator[bytes]) -> Iterator[Line]:
    rest = b""
    for chunk in chunks:
        unread = rest + chunk
        while True:
            whole = unread.split(b"\n")
            rest = whole.pop()
            for line in whole:
                yield line if len(line) <= MAX_EVENT_BYTES else _oversized(line, len(line))
            if len(rest) <= MAX_EVENT_BYTES:
                break
            head, size_bytes, unread = _to_its_end(rest, chunks)
            yield _oversized(head, size_bytes)
    if rest:
        yield rest


def _oversized(line: bytes, size_bytes: int) -> Oversized:
    return Oversized(line[:KEPT_OF_OVERSIZED], size_bytes)


def _to_its_end(line: bytes, chunks: Iterator[bytes]) -> tuple[bytes, int, bytes]:
    """Return the beginning of a line, its length, and what follows its end in the last chunk."""
    head, size_bytes = line[:KEPT_OF_OVERSIZED], len(line)
    for chunk in chunks:
        end, found, following = chunk.partition(b"\n")
        size_bytes += len(end)
        if found:
            return head, size_bytes, following
    return head, size_bytes, b""
