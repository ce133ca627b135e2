"""What is written to a store at once."""

from __future__ import annotations

from msgspec import Struct

from schemas.decoding import user_of
from schemas.positions import Marks
from schemas.slates import Slates
from schemas.user_state import UserState


class DeadLetter(Struct, frozen=True):
    """A refused event: where it stood, why it was refused, its original bytes, and whose it is.

    ``user_id`` is ``""`` where nobody's is known.
    """

    topic: str
    partition: int
    offset: int
    event_type: str
    reason: str
    message: str
    payload: bytes
    user_id: str = ""

    def is_of(self, user_id: str) -> bool:
        """Return whether it is this user's, as it seems from its bytes if nothing else tells."""
        return user_id == (self.user_id or user_of(self.payload))


class Erasure(Struct, frozen=True):
    """A user who was forgotten, under a keyed hash: what the audit tells, and what replays heed.

    Parameters
    ----------
    digest
        Of the user's id, under the model's own key.
    until_ms
        Events of this user that happened until then stay forgotten, however often they are read.
    topic, partition, offset
        Where the wish stands.
    """

    digest: bytes
    until_ms: int
    topic: str
    partition: int
    offset: int


class Audited(Struct, frozen=True):
    """An erasure as the audit has it: of a user of this shard, carried out then."""

    shard: str
    when_ms: int
    erasure: Erasure


class ShardWrite(Struct, frozen=True):
    """All that one batch changed in one shard; a store writes it whole or not at all.

    Parameters
    ----------
    states
        New states by user id.
    marks
        What the shard has absorbed once this is written: all of its marks, not only the new ones.
    forgotten
        Users whose state, slates and stored dead letters are deleted. One that is in ``states``
        too is deleted first.
    before
        The marks that the store must hold for this to be written; ``None`` writes over any.
    slates
        New slates by user id; ``None`` deletes them.
    erased
        Who was forgotten, for the audit and for replays.
    """

    shard: str
    states: dict[str, UserState]
    marks: Marks
    forgotten: tuple[str, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    before: Marks | None = None
    slates: dict[str, Slates | None] = {}
    erased: tuple[Erasure, ...] = ()
