"""What travels between the steps. Lists travel as single items: the engine charges by the item."""

from __future__ import annotations

from msgspec import Struct

from schemas.events import Event, ItemUpdate
from schemas.examples import Example, Feedback
from serving.store import ShardWrite

KEPT_OF_OVERSIZED = 4_096
"""Bytes that are kept of an event that is too long to be read."""


class Refused(Struct, frozen=True):
    """An event that breaks the contract, and whose it seems to be: ``""`` is anybody's."""

    reason: str
    message: str
    event_type: str
    user_id: str = ""


Record = tuple[int, str | Refused, bytes]
"""An offset, the type of the event (or that it was refused while it was read), its bytes."""

Happening = tuple[int, Event | Refused, bytes]
"""An offset, what happened there, and the original bytes."""


class SourceBatch(Struct, frozen=True):
    """A run of one source partition: all that lies from ``begin`` up to, not including, ``end``.

    ``seq`` counts the batches of the partition since the process started, by which the learn step
    restores their order. ``newest_ms`` is when the last record was appended, where that is known.
    """

    topic: str
    partition: int
    seq: int
    begin: int
    end: int
    records: list[Record]
    newest_ms: int | None = None


class DecodedBatch(Struct, frozen=True):
    """A source batch whose records have become events, or refusals."""

    topic: str
    partition: int
    seq: int
    end: int
    happenings: list[Happening]
    newest_ms: int | None = None


class Piece(Struct, frozen=True):
    """What one shard gets of a batch, which was cut into ``pieces`` pieces (at least one)."""

    shard: str
    topic: str
    partition: int
    seq: int
    pieces: int
    end: int
    happenings: list[Happening]
    newest_ms: int | None = None


class Lesson(Struct, frozen=True):
    """What the learner gets of a piece, also where it is nothing: it waits for every piece.

    ``held`` is the mark of its source that the piece's shard has reached by it, 0 where nothing
    happened.
    """

    topic: str
    partition: int
    seq: int
    pieces: int
    end: int
    examples: list[Example]
    updates: list[tuple[int, ItemUpdate]]
    feedback: list[Feedback] = []
    shard: str = ""
    held: int = 0
    newest_ms: int | None = None


class Receipt(Struct):
    """Tells the session step, on the same worker, that what it handed on has been stored."""

    stored: bool = False


class Settled(Struct, frozen=True):
    """A piece whose users have their next states: what to store, then what to learn from."""

    lesson: Lesson
    write: ShardWrite | None
    receipt: Receipt
