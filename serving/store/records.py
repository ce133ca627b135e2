"""What is written to a store at once."""

from __future__ import annotations

from msgspec import Struct

from schemas.positions import Marks
from schemas.user_state import UserState


class DeadLetter(Struct, frozen=True):
    """A refused event: where it stood, why it was refused, and its original bytes."""

    topic: str
    partition: int
    offset: int
    event_type: str
    reason: str
    message: str
    payload: bytes


class ShardWrite(Struct, frozen=True):
    """All that one batch changed in one shard; a store writes it whole or not at all.

    Parameters
    ----------
    states
        New states by user id.
    marks
        What the shard has absorbed once this is written: all of its marks, not only the new ones.
    forgotten
        Users whose state is deleted. A user that is in ``states`` too is deleted first.
    """

    shard: str
    states: dict[str, UserState]
    marks: Marks
    forgotten: tuple[str, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
