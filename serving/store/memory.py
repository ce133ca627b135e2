"""A store that lives and dies with its process: for replays and for tests."""

from __future__ import annotations

import copy
import secrets
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence

from schemas.forgetting import KEY_BYTES
from schemas.keys import shard_of
from schemas.model_log import Progress, Publish
from schemas.positions import Marks, Position
from schemas.slates import Slates
from schemas.user_state import UserState
from serving.store.bases import WholeBases, whole_of
from serving.store.protocol import DEAD_LETTERS_PER_SHARD, EVENTS_TOPIC, KEPT_BASES, Store
from serving.store.records import Audited, DeadLetter, ShardWrite
from serving.store.refusals import (
    advances_nothing,
    base_elsewhere,
    base_lost,
    log_elsewhere,
    other_key,
    shard_elsewhere,
)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class MemoryStore(WholeBases):
    """Holds the very objects that it is given: nothing is encoded, since replay is hot.

    Parameters
    ----------
    now_ms
        The clock that numbers events and lets leases run out.
    """

    def __init__(self, *, now_ms: Callable[[], int] = _now_ms) -> None:
        self._now_ms = now_ms
        self._changed = threading.Condition()
        self._users: dict[str, UserState] = {}
        self._slates: dict[str, Slates] = {}
        self._marks: dict[str, Marks] = {}
        self._dead: dict[str, list[DeadLetter]] = {}
        self._erased: dict[str, dict[bytes, int]] = {}
        self._audit: list[Audited] = []
        self._forget_key = b""
        self._log: list[Publish] = []
        self._bases: dict[int, Publish] = {}
        self._staged: list[Publish] = []
        self._version = 0
        self._low: Marks = {}
        self._held: dict[str, Marks] = {}
        self._events: list[tuple[int, str, bytes]] = []
        self._last_offset = 0
        self._lease: tuple[str, str, int] | None = None

    def read_users(self, user_ids: Sequence[str]) -> dict[str, UserState]:
        users = self._users
        return {user_id: users[user_id] for user_id in user_ids if user_id in users}

    def read_user(self, user_id: str) -> tuple[UserState | None, Marks]:
        with self._changed:
            return self._users.get(user_id), self._copied(shard_of(user_id))

    def read_slates(self, user_ids: Sequence[str]) -> dict[str, Slates]:
        slates = self._slates
        return {user_id: slates[user_id] for user_id in user_ids if user_id in slates}

    def read_marks(self, shards: Sequence[str]) -> list[Marks]:
        with self._changed:
            return [self._copied(shard) for shard in shards]

    def _copied(self, shard: str) -> Marks:
        return {topic: dict(parts) for topic, parts in self._marks.get(shard, {}).items()}

    def write_shards(self, writes: Sequence[ShardWrite]) -> None:
        with self._changed:
            for write in writes:
                if not self._has(write):
                    self._take(write)

    def _has(self, write: ShardWrite) -> bool:
        if write.before is None:
            return False
        if write.before == write.marks:
            raise advances_nothing(write.shard, write.marks)
        marks = self._marks.get(write.shard, {})
        if marks not in (write.before, write.marks):
            raise shard_elsewhere(write.shard, marks, write.before)
        return marks == write.marks

    def _take(self, write: ShardWrite) -> None:
        for user_id in write.forgotten:
            self._forget(write.shard, user_id)
        self._users.update(write.states)
        for user_id, slates in write.slates.items():
            if slates is None:
                self._slates.pop(user_id, None)
            else:
                self._slates[user_id] = slates
        self._marks[write.shard] = copy.deepcopy(write.marks)
        if write.dead:
            dead = self._dead.setdefault(write.shard, [])
            dead.extend(write.dead)
            del dead[:-DEAD_LETTERS_PER_SHARD]

        for erasure in write.erased:
            self._remember(Audited(write.shard, self._now_ms(), erasure))

    def _forget(self, shard: str, user_id: str) -> None:
        self._users.pop(user_id, None)
        self._slates.pop(user_id, None)
        if shard in self._dead:
            kept = [letter for letter in self._dead[shard] if not letter.is_of(user_id)]
            self._dead[shard] = kept

    def _remember(self, audited: Audited) -> None:
        erased, erasure = self._erased.setdefault(audited.shard, {}), audited.erasure
        erased[erasure.digest] = max(erasure.until_ms, erased.get(erasure.digest, 0))
        self._audit.append(audited)

    def forget_key(self) -> bytes:
        with self._changed:
            self._forget_key = self._forget_key or secrets.token_bytes(KEY_BYTES)
            return self._forget_key

    def erased(self, shard: str) -> dict[bytes, int]:
        with self._changed:
            return dict(self._erased.get(shard, {}))

    def erasures(self) -> Iterator[Audited]:
        with self._changed:
            yield from sorted(self._audit, key=lambda audited: audited.shard)

    def adopt_erasures(self, other: Store) -> None:
        adopted, key = list(other.erasures()), other.forget_key()
        with self._changed:
            self._forget_key = self._forget_key or key
            if adopted and self._forget_key != key:
                raise other_key()
            for audited in adopted:
                if audited not in self._audit:
                    self._remember(audited)

    def append(self, publish: Publish, *, held: Mapping[str, Marks] | None = None) -> None:
        version = publish.progress.version
        with self._changed:
            if version == self._version and self._log and self._log[-1] == publish:
                return
            if version != self._version + 1:
                raise log_elsewhere(version, self._version)
            self._log.append(publish)
            self._version = version
            self._low = copy.deepcopy(publish.progress.marks)
            self._held.update(copy.deepcopy(dict(held or {})))
            self._changed.notify_all()

    def read_log(self, after_version: int, *, block_ms: int = 0, count: int = 100) -> list[Publish]:
        with self._changed:
            if block_ms and self._version <= after_version:
                self._changed.wait_for(lambda: self._version > after_version, block_ms / 1000)
            start = bisect_right(self._log, after_version, key=lambda p: p.progress.version)
            return self._log[start : start + count]

    def version(self) -> int:
        with self._changed:
            return max(self._version, *self._bases, 0)

    def low_marks(self) -> Marks:
        with self._changed:
            return copy.deepcopy(self._low)

    def held(self) -> dict[str, Marks]:
        with self._changed:
            return copy.deepcopy(self._held)

    def stage_base(self, number: int, part: Publish) -> None:
        with self._changed:
            progress = part.progress
            if number == 0:
                if not self._ends_with(progress):
                    raise base_elsewhere(progress.version, self._version)
                self._staged = [part]
            self._check_staged(progress, number, number + 1)
            self._staged[number:] = [part]

    def keep_base(self, progress: Progress, parts: int) -> None:
        with self._changed:
            if progress.version in self._bases:
                return
            self._check_staged(progress, parts)
            self._bases[progress.version] = whole_of(self._staged)
            for version in sorted(self._bases)[:-KEPT_BASES]:
                del self._bases[version]
            oldest = min(self._bases)
            cut = bisect_right(self._log, oldest, key=lambda p: p.progress.version)
            del self._log[:cut]

    def _check_staged(self, progress: Progress, *parts: int) -> None:
        if len(self._staged) not in parts or self._staged[0].progress != progress:
            raise base_lost(progress.version)

    def _ends_with(self, progress: Progress) -> bool:
        return (progress.version, progress.marks) == (self._version, self._low)

    def newest_base(self) -> Publish | None:
        with self._changed:
            return self._bases[max(self._bases)] if self._bases else None

    def append_events(self, events: Sequence[tuple[str, bytes]]) -> list[Position]:
        with self._changed:
            offset = max(self._now_ms() << 20, self._last_offset + 1)
            for number, (event_type, payload) in enumerate(events):
                self._events.append((offset + number, event_type, payload))
            self._last_offset = offset + len(events) - 1
            self._changed.notify_all()
        return [Position(EVENTS_TOPIC, 0, offset + n) for n in range(len(events))]

    def read_events(
        self, from_offset: int, *, count: int, block_ms: int = 0
    ) -> list[tuple[int, str, bytes]]:
        with self._changed:
            first = max(from_offset, 1)
            if block_ms and self._last_offset < first:
                self._changed.wait_for(lambda: self._last_offset >= first, block_ms / 1000)
            start = bisect_left(self._events, from_offset, key=lambda event: event[0])
            return self._events[start : start + count]

    def trim_events(self, below_offset: int, *, at: Progress) -> None:
        with self._changed:
            if self._ends_with(at):
                cut = bisect_left(self._events, below_offset, key=lambda event: event[0])
                del self._events[:cut]

    def dead_letters(self, *, limit: int = 1000) -> list[DeadLetter]:
        with self._changed:
            newest = [letter for dead in self._dead.values() for letter in dead[-limit:]]
        newest.sort(key=lambda letter: (letter.topic, letter.partition, letter.offset))
        return newest[-limit:]

    def acquire(self, owner: str, ttl_ms: int) -> str | None:
        with self._changed:
            if self._holder() not in (None, owner):
                return None
            token = f"{secrets.token_hex(8)}:{owner}"
            self._lease = (owner, token, self._now_ms() + ttl_ms)
            return token

    def renew(self, token: str, ttl_ms: int) -> bool:
        with self._changed:
            if self._holder() is None or self._lease is None or self._lease[1] != token:
                return False
            self._lease = (self._lease[0], token, self._now_ms() + ttl_ms)
            return True

    def release(self, token: str) -> None:
        with self._changed:
            if self._lease is not None and self._lease[1] == token:
                self._lease = None

    def lease_owner(self) -> str | None:
        with self._changed:
            return self._holder()

    def _holder(self) -> str | None:
        if self._lease is None or self._lease[2] <= self._now_ms():
            return None
        return self._lease[0]

    def close(self) -> None:
        """Nothing is held that would need letting go."""
