"""What a shard keeps of users who were forgotten: which of their events it had refused.

Offsets, and nothing else. A replay after a crash must tell a forgotten user's events that counted
from those that were late or repeated, and the state that knew has been deleted. The ledger is
stored like a user, under an id that no user can have, so that it is written together with the
deletion; it holds the newest 256 offsets.
"""

from __future__ import annotations

from itertools import count

from schemas.keys import shard_of
from schemas.user_state import UserState

KEPT = 256


def ledger_id(shard: str) -> str:
    """Return the id of a shard's ledger. It has a control character, so no event can name it.

    Examples
    --------
    >>> shard_of(ledger_id("s07"))
    's07'
    """
    return next(name for n in count() if shard_of(name := f"\x1f{n}") == shard)


def with_forgotten(
    ledger: UserState | None, name: str, state: UserState | None
) -> UserState | None:
    """Return the ledger of that name once it knows what a user's state knew to be refused."""
    if state is None or not state.refused:
        return ledger
    places = [*(_places(ledger) if ledger else ()), *_places(state)][-KEPT:]
    origins = tuple(dict.fromkeys([source for source, _ in places]))
    refused = tuple([(origins.index(source), offset) for source, offset in places])
    return UserState(name, origins=origins, refused=refused)


def _places(state: UserState) -> list[tuple[tuple[str, int], int]]:
    return [(state.origins[origin], offset) for origin, offset in state.refused]


def was_refused(ledger: UserState | None, topic: str, partition: int, offset: int) -> bool:
    """Return whether the ledger knows this event to have been refused."""
    if ledger is None or (topic, partition) not in ledger.origins:
        return False
    return (ledger.origins.index((topic, partition)), offset) in ledger.refused
