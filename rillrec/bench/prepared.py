"""Events as they go into a topic: made in advance, so that making them costs no measured time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from rillrec.bench.traffic import Traffic, generated
from schemas.errors import SourceError
from schemas.events import Interaction

Keyed = tuple[str, bytes]
"""A user, and what he did as JSON."""

_ROWS = 10_000
_encode = msgspec.json.Encoder().encode


def from_generator(traffic: Traffic) -> list[Keyed]:
    """Return generated events."""
    return keyed(generated(traffic))


def from_file(path: Path, *, mapping: Mapping[str, str], limit: int | None = None) -> list[Keyed]:
    """Return the interactions of a file, as replay reads it. All of them are held in memory.

    Raises
    ------
    SourceError
        The file can't be read, or has no usable interactions.
    """
    prepared = keyed(_interactions(path, mapping, limit))
    if not prepared:
        raise SourceError(f"{path} has no interactions: `rillrec validate {path}` tells why")
    return prepared


def _interactions(
    path: Path, mapping: Mapping[str, str], limit: int | None
) -> Iterator[Interaction]:
    from flows.sources.file import FileSource

    source = FileSource(path, mapping=mapping, batch_size=_ROWS, limit=limit)
    now_ms = time.time_ns() // 1_000_000
    for batch in source.batches():
        happenings, _ = source.decoder(batch.records, now_ms=now_ms)
        yield from (event for _, event, _ in happenings if isinstance(event, Interaction))


def keyed(events: Iterable[Interaction]) -> list[Keyed]:
    """Return events as they go into a topic."""
    return [(event.user_id, _encode(event)) for event in events]
