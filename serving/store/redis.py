"""The store of production: one Redis, of your own or embedded."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from schemas.errors import StoreError
from schemas.keys import Keys, shard_of, shards
from schemas.model_log import Publish, encode_publish
from schemas.positions import Marks, Position
from schemas.user_codec import encode_user
from schemas.user_state import UserState
from serving.store import scripts
from serving.store.encoding import (
    dead_fields,
    dead_letter_of,
    encode,
    flattened,
    low_of,
    marks_of,
    offset_of,
    position_of,
    publish_of,
    stream_id_of,
    user_of,
)
from serving.store.protocol import DEAD_LETTERS_PER_SHARD, KEPT_BASES
from serving.store.records import DeadLetter, ShardWrite
from serving.store.wire import Command, Wire


class RedisStore:
    """One model's state in Redis; ``schemas.keys`` draws the layout.

    Parameters
    ----------
    url
        ``redis://[user:password@]host:port/db``, ``rediss://…`` or ``unix://PATH``.
    name
        The model's name, part of every key.
    user_ttl_s
        Seconds from its last write until a user's state is dropped: what bounds the users. Longer
        than a source may be replayed.
    timeout_s
        After which a silent Redis counts as lost. Blocking reads wait half of it at most.
    """

    def __init__(
        self, url: str, *, name: str, user_ttl_s: int = 90 * 86_400, timeout_s: float = 5.0
    ) -> None:
        if user_ttl_s <= 0:
            raise ValueError(f"user_ttl_s is {user_ttl_s}, it must be positive")
        if timeout_s <= 0:
            raise ValueError(f"timeout_s is {timeout_s}, it must be positive")
        self.keys = Keys(name)
        self._wire = Wire(url, timeout_s=timeout_s)
        self._user_ttl_s = user_ttl_s
        self._longest_block_ms = int(timeout_s * 500)

    @property
    def address(self) -> str:
        """Where Redis is, without credentials."""
        return self._wire.address

    def read_users(self, user_ids: Sequence[str]) -> dict[str, UserState]:
        if not user_ids:
            return {}
        payloads = self._wire.call("MGET", *map(self.keys.user, user_ids))
        states = map(user_of, user_ids, payloads)
        return {state.user_id: state for state in states if state is not None}

    def read_user(self, user_id: str) -> tuple[UserState | None, Marks]:
        keys = self.keys
        state, marks = self._wire.call("MGET", keys.user(user_id), keys.marks(shard_of(user_id)))
        return user_of(user_id, state), marks_of(marks)

    def read_marks(self, shards: Sequence[str]) -> list[Marks]:
        if not shards:
            return []
        return [marks_of(raw) for raw in self._wire.call("MGET", *map(self.keys.marks, shards))]

    def write_shards(self, writes: Sequence[ShardWrite]) -> None:
        self._wire.transact([self._commands(write) for write in writes])

    def _commands(self, write: ShardWrite) -> list[Command]:
        keys, ttl_s = self.keys, self._user_ttl_s
        commands: list[Command] = [("DEL", keys.user(user)) for user in write.forgotten]
        commands += [
            ("SET", keys.user(user), encode_user(state), "EX", ttl_s)
            for user, state in write.states.items()
        ]
        dead = keys.dead(write.shard)
        commands += [
            ("XADD", dead, "MAXLEN", "~", DEAD_LETTERS_PER_SHARD, "*", *dead_fields(letter))
            for letter in write.dead
        ]
        commands.append(("SET", keys.marks(write.shard), encode(write.marks)))
        return commands

    def append(self, publish: Publish) -> None:
        progress = publish.progress
        refused = self._wire.call(
            "EVAL", scripts.APPEND, 2, self.keys.log, self.keys.low,
            f"{progress.version}-0", encode_publish(publish),
            encode((progress.version, progress.marks)),
        )  # fmt: skip
        if b"ID specified in XADD" in refused:
            raise StoreError(
                f"version {progress.version} is not newer than {self.version()}, the log's newest: "
                "another flow publishes to this model; stop one of them"
            )
        if refused != b"OK":
            raise StoreError(
                f"Redis at {self.address} refused version {progress.version} of the model: "
                f"{refused.decode()}"
            )

    def read_log(self, after_version: int, *, block_ms: int = 0, count: int = 100) -> list[Publish]:
        entries = self._read_stream(self.keys.log, f"{after_version}-0", count, block_ms)
        return [
            publish_of(fields[1], f"log entry {stream_id.decode()}")
            for stream_id, fields in entries
        ]

    def version(self) -> int:
        low, bases = self._wire.pipeline(
            [("GET", self.keys.low), ("ZREVRANGE", self.keys.bases, 0, 0)]
        )
        return max(low_of(low)[0], *map(int, bases), 0)

    def low_marks(self) -> Marks:
        return low_of(self._wire.call("GET", self.keys.low))[1]

    def put_base(self, base: Publish) -> None:
        keys, version = self.keys, base.progress.version
        [(_, _, versions)] = self._wire.transact(
            [
                [
                    ("SET", keys.base(version), encode_publish(base)),
                    ("ZADD", keys.bases, version, version),
                    ("ZRANGE", keys.bases, 0, -1),
                ]
            ]
        )
        dropped, oldest = versions[:-KEPT_BASES], int(versions[-KEPT_BASES:][0])
        commands: list[Command] = [("XTRIM", keys.log, "MINID", f"{oldest + 1}-0")]
        if dropped:
            commands.append(("DEL", *(keys.base(int(gone)) for gone in dropped)))
            commands.append(("ZREM", keys.bases, *dropped))
        self._wire.transact([commands])

    def newest_base(self) -> Publish | None:
        # Three bases may be put between the two reads; then the one that was named is gone.
        for _ in range(3):
            newest = self._wire.call("ZREVRANGE", self.keys.bases, 0, 0)
            if not newest:
                return None
            raw = self._wire.call("GET", self.keys.base(int(newest[0])))
            if raw is not None:
                return publish_of(raw, f"base {newest[0].decode()}")
        raise StoreError(
            f"{self.keys.bases} names version {int(newest[0])}, but its base is gone: is Redis "
            "evicting keys? Set maxmemory-policy to noeviction or volatile-ttl"
        )

    def append_events(self, events: Sequence[tuple[str, bytes]]) -> list[Position]:
        if not events:
            return []
        ids = self._wire.call("EVAL", scripts.ADD_EVENTS, 1, self.keys.events, *flattened(events))
        return [position_of(stream_id) for stream_id in ids]

    def read_events(
        self, from_offset: int, *, count: int, block_ms: int = 0
    ) -> list[tuple[int, str, bytes]]:
        after = stream_id_of(max(from_offset, 1) - 1)
        return [
            (offset_of(stream_id), fields[1].decode(), fields[3])
            for stream_id, fields in self._read_stream(self.keys.events, after, count, block_ms)
        ]

    def _read_stream(self, key: str, after: str, count: int, block_ms: int) -> list[Any]:
        block: Command = ("BLOCK", min(block_ms, self._longest_block_ms)) if block_ms > 0 else ()
        reply = self._wire.call("XREAD", "COUNT", count, *block, "STREAMS", key, after)
        return reply[0][1] if reply else []

    def trim_events(self, below_offset: int) -> None:
        self._wire.call("XTRIM", self.keys.events, "MINID", stream_id_of(max(below_offset, 0)))

    def dead_letters(self, *, limit: int = 1000) -> list[DeadLetter]:
        replies = self._wire.pipeline(
            [
                ("XREVRANGE", dead, "+", "-", "COUNT", limit)
                for dead in map(self.keys.dead, shards())
            ]
        )
        newest = [dead_letter_of(fields) for reply in replies for _, fields in reply]
        newest.sort(key=lambda letter: (letter.topic, letter.partition, letter.offset))
        return newest[-limit:]

    def acquire(self, owner: str, ttl_ms: int) -> str | None:
        token = f"{secrets.token_hex(8)}:{owner}"
        taken = self._wire.call("EVAL", scripts.ACQUIRE, 1, self.keys.owner, token, owner, ttl_ms)
        return token if taken else None

    def renew(self, token: str, ttl_ms: int) -> bool:
        return bool(self._wire.call("EVAL", scripts.RENEW, 1, self.keys.owner, token, ttl_ms))

    def release(self, token: str) -> None:
        self._wire.call("EVAL", scripts.RELEASE, 1, self.keys.owner, token)

    def lease_owner(self) -> str | None:
        raw = self._wire.call("GET", self.keys.owner)
        return None if raw is None else raw.decode().partition(":")[2]

    def close(self) -> None:
        self._wire.close()
