"""What every store can do. One suite of tests holds for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from schemas.model_log import Progress, Publish
from schemas.positions import Marks, Position
from schemas.slates import Slates
from schemas.user_state import UserState
from serving.store.records import Audited, DeadLetter, ShardWrite

KEPT_BASES = 3
EVENTS_TOPIC = "events"
DEAD_LETTERS_PER_SHARD = 10_000
FORGET_MEMORY_S = 400 * 86_400


class Store(Protocol):
    """Synchronous access to one model's state, safe to share between threads.

    Every method raises ``StoreUnavailable`` where the store does not answer, and ``StoreError``
    where it answers with a refusal. A call whose reply was lost may have been carried out.
    """

    def read_users(self, user_ids: Sequence[str]) -> dict[str, UserState]:
        """Return the states of the users that have one, in one round trip."""
        ...

    def read_user(self, user_id: str) -> tuple[UserState | None, Marks]:
        """Return a user's state and its shard's marks, read at the same instant."""
        ...

    def read_slates(self, user_ids: Sequence[str]) -> dict[str, Slates]:
        """Return the slates of the users that have some, in one round trip."""
        ...

    def read_marks(self, shards: Sequence[str]) -> list[Marks]:
        """Return the marks of each shard, empty where it has absorbed nothing."""
        ...

    def write_shards(self, writes: Sequence[ShardWrite]) -> None:
        """Write each shard atomically, all of them in one round trip, every reply checked.

        A write that has a ``before`` and was written already is not written again: its reply may
        have been lost.

        Raises
        ------
        StoreRolledBack
            A shard does not stand where its write continues. Others may have been written.
        ValueError
            A write has a ``before``, and leaves the marks as they are.
        """
        ...

    def forget_key(self) -> bytes:
        """Return the key of the hashes that stand for forgotten users; made by who asks first."""
        ...

    def erased(self, shard: str) -> dict[bytes, int]:
        """Return until when which users of a shard stay forgotten, by their hashes.

        What is older than the store remembers, 400 days if not told otherwise, is left out.
        """
        ...

    def erasures(self) -> Iterator[Audited]:
        """Yield the audit, by shard and time: all that were carried out, for as long as above."""
        ...

    def adopt_erasures(self, other: Store) -> None:
        """Keep out whom another model has forgotten too, and tell of it in this one's audit.

        A model without a key takes the other's, also where nobody was forgotten yet. May be
        repeated, to take over what the other has forgotten since.

        Raises
        ------
        StoreError
            This model has forgotten users already, under a key of its own.
        """
        ...

    def append(self, publish: Publish, *, held: Mapping[str, Marks] | None = None) -> None:
        """Append a publish to the model's log and move the low-water marks, atomically.

        One that is there already is not appended again: its reply may have been lost.

        Parameters
        ----------
        held
            The marks of shards that have moved since the publish before, for ``held()``.

        Raises
        ------
        StoreRolledBack
            The log ends before the version that this one follows.
        StoreError
            The log has that version already, with another content, or a higher one: another flow
            publishes to the same model.
        """
        ...

    def read_log(self, after_version: int, *, block_ms: int = 0, count: int = 100) -> list[Publish]:
        """Return the publishes that follow a version, at most ``count``.

        ``block_ms``: how long to wait for one where there is none; 0 does not wait. Stores may
        return empty-handed earlier.
        """
        ...

    def version(self) -> int:
        """Return the newest version, of the log or of a base; 0 where there is neither."""
        ...

    def low_marks(self) -> Marks:
        """Return the positions below which everything is in the published model."""
        ...

    def held(self) -> dict[str, Marks]:
        """Return the marks that shards were told to hold with any publish so far."""
        ...

    def stage_base(self, number: int, part: Publish) -> None:
        """Take the next part of a base snapshot; number 0 begins a new one, and drops another.

        The first is of the version and marks that the log ends with; by the last the log may have
        gone on.

        Raises
        ------
        StoreRolledBack
            The log ends before, or the parts before this one are not there.
        StoreError
            The log ends later, or with other marks: another flow publishes to the same model.
        """
        ...

    def keep_base(self, progress: Progress, parts: int) -> None:
        """Keep the base that was staged. The newest three stay, and the log behind is trimmed.

        Raises
        ------
        StoreRolledBack
            Not all parts are there.
        """
        ...

    def put_base(self, base: Publish) -> None:
        """Stage a base at once and keep it."""
        ...

    def newest_base(self) -> Publish | None:
        """Return the base of the highest version, if there is one."""
        ...

    def append_events(self, events: Sequence[tuple[str, bytes]]) -> list[Position]:
        """Append ``(event type, JSON payload)`` pairs to the event log: all of them or none."""
        ...

    def read_events(
        self, from_offset: int, *, count: int, block_ms: int = 0
    ) -> list[tuple[int, str, bytes]]:
        """Return ``(offset, event type, payload)`` of events at or behind an offset, in order.

        ``block_ms`` as in ``read_log``.
        """
        ...

    def trim_events(self, below_offset: int, *, at: Progress) -> None:
        """Drop the events below an offset, if the log still ends with this version and marks."""
        ...

    def dead_letters(self, *, limit: int = 1000) -> list[DeadLetter]:
        """Return the newest dead letters, ordered by topic, partition and offset.

        At most the newest 10,000 or so of each shard are kept.
        """
        ...

    def acquire(self, owner: str, ttl_ms: int) -> str | None:
        """Return the token of the model's lease, ``None`` where another owner holds it.

        One flow at a time may write a model. An owner that comes back, after a crash say, takes
        its own lease over, and its older token is worth nothing from then on.
        """
        ...

    def renew(self, token: str, ttl_ms: int) -> bool:
        """Prolong a lease; ``False`` where it has been lost."""
        ...

    def release(self, token: str) -> None:
        """Give a lease back; nothing happens where it has been lost."""
        ...

    def lease_owner(self) -> str | None:
        """Return who holds the lease, ``None`` where nobody does."""
        ...

    def close(self) -> None:
        """Let go of connections. The store is not to be used after that."""
        ...
