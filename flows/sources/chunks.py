"""A file as chunks of bytes, unpacked where it is gzip."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from schemas.errors import SourceError

CHUNK_BYTES = 262_144
_PACKED_BYTES = 65_536
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP = 31  # a window of 2**15, and gzip's header


def chunks_of(path: Path, *, on_read: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """Yield a file's bytes in chunks of at most 256 KiB; gzip is told by its first bytes.

    Parameters
    ----------
    on_read
        Told, before each chunk, how many bytes of the file have been read.

    Raises
    ------
    SourceError
        The file can't be read, or its gzip stream is damaged or cut short; what could be unpacked
        has been yielded before.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            plain = iter(lambda: file.read(CHUNK_BYTES), b"")
            for chunk in _unpacked(path, file) if packed else plain:
                if on_read is not None:
                    on_read(file.tell())
                yield chunk
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror or error}") from error


def _unpacked(path: Path, file: BinaryIO) -> Iterator[bytes]:
    member = zlib.decompressobj(_GZIP)
    while packed := file.read(_PACKED_BYTES):
        while packed:
            if member.eof:
                packed = packed.lstrip(b"\0")  # padding between members
                if not packed:
                    break
                member = zlib.decompressobj(_GZIP)
            before = member.copy()
            try:
                chunk = member.decompress(packed, CHUNK_BYTES)
            except zlib.error as error:
                yield _salvaged(before, packed)
                raise SourceError(
                    f"{path} is damaged: its gzip stream breaks near byte {file.tell()} ({error}); "
                    "everything before is usable, get the file again for the rest"
                ) from error
            if chunk:
                yield chunk
            packed = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise SourceError(
            f"{path} is cut short: its gzip stream goes on behind its last byte, {file.tell()}; "
            "everything before is usable, get the file again for the rest"
        )


def _salvaged(member: zlib._Decompress, packed: bytes) -> bytes:
    """Return what can be unpacked before the damage, by going there byte by byte."""
    salvaged = bytearray()
    with contextlib.suppress(zlib.error):
        for at in range(len(packed)):
            salvaged += member.decompress(packed[at : at + 1])
    return bytes(salvaged)
