"""What a shard keeps of users who were forgotten: who they are, as hashes, and what it refused.

A hash and a time keep a user's older events out, however often and from wherever they come.

A replay after a crash must tell a forgotten user's events that counted from those that were late,
repeated or kept out, and the state that knew has been deleted. So there is a ledger of offsets, and
nothing else. It is stored like a user, under an id that no user can have, so that it is written
together with the deletion; it holds the newest 256 offsets.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from flows.patience import patiently
from schemas.forgetting import digest_of
from schemas.keys import shard_of
from schemas.positions import Position
from schemas.user_state import UserState
from serving.store import Erasure, Store

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
    return _with_places(ledger, name, _places(state))


def with_kept_out(
    ledger: UserState | None, name: str, topic: str, partition: int, offsets: Iterable[int]
) -> UserState:
    """Return the ledger of that name once it knows which events of a source were kept out."""
    return _with_places(ledger, name, [((topic, partition), offset) for offset in offsets])


def _with_places(
    ledger: UserState | None, name: str, newer: list[tuple[tuple[str, int], int]]
) -> UserState:
    places = [*(_places(ledger) if ledger else ()), *newer][-KEPT:]
    origins = tuple(dict.fromkeys([source for source, _ in places]))
    refused = tuple([(origins.index(source), offset) for source, offset in places])
    return UserState(name, origins=origins, refused=refused)


def _places(state: UserState) -> list[tuple[tuple[str, int], int]]:
    return [(state.origins[origin], offset) for origin, offset in state.refused]


def is_full(ledger: UserState | None) -> bool:
    """Return whether the ledger may have known of more than it knows."""
    return ledger is not None and len(ledger.refused) >= KEPT


def was_refused(ledger: UserState | None, topic: str, partition: int, offset: int) -> bool:
    """Return whether the ledger knows this event to have been refused."""
    if ledger is None or (topic, partition) not in ledger.origins:
        return False
    return (ledger.origins.index((topic, partition)), offset) in ledger.refused


class Erased:
    """Who of a shard's users was forgotten, and until when.

    Held in memory: some 200 bytes for each user that the shard has forgotten within the time that
    the store remembers.
    """

    def __init__(self, store: Store, shard: str) -> None:
        self._store = store
        self._until_ms = patiently(lambda: store.erased(shard))
        self._key = b""

    def __len__(self) -> int:
        return len(self._until_ms)

    def covers(self, user_id: str, time_ms: int | None) -> bool:
        """Return whether what a user did then stays forgotten; ``None`` is an unknown time."""
        if not self._until_ms:
            return False
        until_ms = self._until_ms.get(self._digest(user_id))
        return until_ms is not None and (time_ms is None or time_ms <= until_ms)

    def erase(self, user_id: str, until_ms: int, at: Position) -> Erasure:
        """Return what is to be stored of a user who is to be forgotten, and heed it from now on."""
        digest = self._digest(user_id)
        self._until_ms[digest] = max(until_ms, self._until_ms.get(digest, 0))
        return Erasure(digest, until_ms, at.topic, at.partition, at.offset)

    def _digest(self, user_id: str) -> bytes:
        if not self._key:
            self._key = patiently(self._store.forget_key)
        return digest_of(user_id, self._key)
