"""The model as a log: entries with absolute values, and the publishes that carry them.

Publishes apply in the order of their versions, each once and as a whole; a reader that finds a hole
starts again from a base snapshot, which is made of the same entries: those that build the state
from nothing.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from schemas.events import ItemUpdate
from schemas.model_config import ModelConfig
from schemas.positions import Marks


class Configure(Struct, frozen=True, tag="configure", array_like=True):
    """The shapes of the model; the first entry of a base. It never changes in a model's life."""

    config: ModelConfig


class Admit(Struct, frozen=True, tag="admit", array_like=True):
    """Items get rows. ``rows[i]`` is the row of ``item_ids[i]``."""

    rows: tuple[int, ...]
    item_ids: tuple[str, ...]


class Evict(Struct, frozen=True, tag="evict", array_like=True):
    """Rows are freed: every table forgets them, optimizer state too, and no list names them."""

    rows: tuple[int, ...]


class Scale(Struct, frozen=True, tag="scale", array_like=True):
    """One channel of a table is multiplied by 2**-exponent: the landmark of its decay moved."""

    table: str
    channel: int
    exponent: int


class Put(Struct, frozen=True, tag="put", array_like=True):
    """Cells of a table take absolute values.

    ``index``: little-endian int64, flat over the table's leading dimensions; ``values``: the
    table's own dtype, ``len(index)`` cells.
    """

    table: str
    index: bytes
    values: bytes


class Describe(Struct, frozen=True, tag="describe", array_like=True):
    """The catalogue's words on items."""

    updates: tuple[ItemUpdate, ...]


class Graph(Struct, frozen=True, tag="graph", array_like=True):
    """A new HNSW graph over the rows that it names, as hnswlib saves it, built at a step."""

    rows: bytes
    graph: bytes
    step: int = 0


class Sightings(Struct, frozen=True, tag="sightings", array_like=True):
    """Items seen, but not often enough for a row yet; a count of 0 removes one. Learner only."""

    item_ids: tuple[str, ...]
    counts: tuple[int, ...]


Entry = Configure | Admit | Evict | Scale | Put | Describe | Graph | Sightings


class Progress(Struct, frozen=True, array_like=True):
    """Where a model stands.

    Parameters
    ----------
    version
        Counts publishes.
    step
        Counts micro-batches that were trained on.
    absorbed, trained
        Count events: all that were absorbed, and those that were trained on.
    time_ms
        The stream's own clock, in event time.
    ahead_ms
        The time of an event far ahead of the clock that no other has confirmed yet.
    marks
        The source positions that the model has absorbed.
    feedback
        Counts labelled slates that were absorbed, also those that could teach nothing.
    """

    version: int = 0
    step: int = 0
    absorbed: int = 0
    trained: int = 0
    time_ms: int = 0
    marks: Marks = {}
    ahead_ms: int | None = None
    feedback: int = 0


class Publish(Struct, frozen=True, array_like=True):
    """One atomic message of the log: entries in the order in which they apply."""

    progress: Progress
    entries: tuple[Entry, ...]


def is_base(publish: Publish) -> bool:
    """Return whether a publish is a base snapshot rather than a message of the log."""
    return bool(publish.entries) and isinstance(publish.entries[0], Configure)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Publish)


def encode_publish(publish: Publish) -> bytes:
    """Return a publish, or a base snapshot, as bytes."""
    return _ENCODER.encode(publish)


def decode_publish(payload: bytes) -> Publish:
    """Return the publish that ``encode_publish`` wrote; ``msgspec.DecodeError`` otherwise."""
    return _DECODER.decode(payload)
