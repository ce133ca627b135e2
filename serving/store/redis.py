"""The store of production: one Redis, of your own or embedded."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.errors import StoreError
from schemas.keys import Keys, shard_of
from schemas.model_log import Publish, decode_publish, encode_publish
from schemas.positions import Marks, Position
from schemas.user_codec import decode_user, encode_user
from schemas.user_state import UserState
from serving.store import scripts
from serving.store.protocol import DEAD_LETTERS_PER_SHARD, EVENTS_TOPIC, KEPT_BASES
from serving.store.records import DeadLetter, ShardWrite
from serving.store.wire import Command, Wire

_SEQUENCE_BITS = 20
_MARKS = msgspec.msgpack.Decoder(Marks)
_LOW = msgspec.msgpack.Decoder(tuple[int, Marks])
_PLACE = msgspec.msgpack.Decoder(tuple[str, int, int])
_encode = msgspec.msgpack.Encoder().encode


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
        return {
            user_id: _user(user_id, payload)
            for user_id, payload in zip(user_ids, payloads, strict=True)
            if payload is not None
        }

    def read_user(self, user_id: str) -> tuple[UserState | None, Marks]:
        keys = self.keys
        state, marks = self._wire.call(
            "MGET", keys.user(user_id), keys.marks(shard_of(user_id))
        )
        return (None if state is None else _user(user_id, state)), _marks(marks)

    def read_marks(self, shards: Sequence[str]) -> list[Marks]:
        if not shards:
            return []
        return [_marks(raw) for raw in self._wire.call("MGET", *map(self.keys.marks, shards))]

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
            ("XADD", dead, "MAXLEN", "~", DEAD_LETTERS_PER_SHARD, "*", *_dead_fields(letter))
            for letter in write.dead
        ]
        commands.append(("SET", keys.marks(write.shard), _encode(write.marks)))
        return commands

    def append(self, publish: Publish) -> None:
        progress = publish.progress
        refused = self._wire.call(
            "EVAL", scripts.APPEND, 2, self.keys.log, self.keys.low,
            f"{progress.version}-0", encode_publish(publish),
            _encode((progress.version, progress.marks)),
        )  # fmt: skip
        if refused != b"OK":
            raise StoreError(
                f"version {progress.version} is not newer than {self.version()}, the log's newest: "
                f"another flow publishes to this model; stop one of them ({refused.decode()})"
            )

    def read_log(self, after_version: int, *, block_ms: int = 0, count: int = 100) -> list[Publish]:
        entries = self._read_stream(self.keys.log, f"{after_version}-0", count, block_ms)
        return [_publish(fields[1], f"log entry {stream_id.decode()}") for stream_id, fields in entries]

    def version(self) -> int:
        return self._low()[0]

    def low_marks(self) -> Marks:
        return self._low()[1]

    def _low(self) -> tuple[int, Marks]:
        raw = self._wire.call("GET", self.keys.low)
        return (0, {}) if raw is None else _LOW.decode(raw)

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
                return _publish(raw, f"base {newest[0].decode()}")
        raise StoreError(
            f"{self.keys.bases} names version {int(newest[0])}, but its base is gone: is Redis "
            "evicting keys? Set maxmemory-policy to noeviction or volatile-ttl"
        )

    def append_events(self, events: Sequence[tuple[str, bytes]]) -> list[Position]:
        if not events:
            return []
        adds: list[Command] = [
            ("XADD", self.keys.events, "*", "t", event_type, "d", payload)
            for event_type, payload in events
        ]
        [ids] = self._wire.transact([adds])
        return [Position(EVENTS_TOPIC, 0, _offset(stream_id)) for stream_id in ids]

    def read_events(
        self, from_offset: int, *, count: int, block_ms: int = 0
    ) -> list[tuple[int, str, bytes]]:
        after = _stream_id(max(from_offset, 1) - 1)
        return [
            (_offset(stream_id), fields[1].decode(), fields[3])
            for stream_id, fields in self._read_stream(self.keys.events, after, count, block_ms)
        ]

    def _read_stream(self, key: str, after: str, count: int, block_ms: int) -> list[Any]:
        block: Command = ("BLOCK", min(block_ms, self._longest_block_ms)) if block_ms > 0 else ()
        reply = self._wire.call("XREAD", "COUNT", count, *block, "STREAMS", key, after)
        return reply[0][1] if reply else []

    def trim_events(self, below_offset: int) -> None:
        self._wire.call("XTRIM", self.keys.events, "MINID", _stream_id(max(below_offset, 0)))

    def dead_letters(self, *, limit: int = 1000) -> list[DeadLetter]:
        replies = self._wire.pipeline(
            [("XREVRANGE", dead, "+", "-", "COUNT", limit) for dead in self.keys.all_dead()]
        )
        newest = [_dead_letter(fields) for reply in replies for _, fields in reply]
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


def _offset(stream_id: bytes) -> int:
    ms, _, sequence = stream_id.partition(b"-")
    return (int(ms) << _SEQUENCE_BITS) + int(sequence)


def _stream_id(offset: int) -> str:
    return f"{offset >> _SEQUENCE_BITS}-{offset & ((1 << _SEQUENCE_BITS) - 1)}"


def _user(user_id: str, payload: bytes) -> UserState:
    try:
        return decode_user(user_id, payload)
    except (ValueError, msgspec.DecodeError) as error:
        raise StoreError(f"the state of user {user_id[:64]!r} can't be read: {error}") from error


def _marks(payload: bytes | None) -> Marks:
    return {} if payload is None else _MARKS.decode(payload)


def _publish(payload: bytes, where: str) -> Publish:
    try:
        return decode_publish(payload)
    except msgspec.DecodeError as error:
        raise StoreError(f"{where} of the model can't be read: {error}") from error


def _dead_fields(letter: DeadLetter) -> Command:
    place = _encode((letter.topic, letter.partition, letter.offset))
    return (
        "at", place, "t", letter.event_type, "r", letter.reason, "m", letter.message,
        "d", letter.payload,
    )  # fmt: skip


def _dead_letter(fields: list[bytes]) -> DeadLetter:
    place, event_type, reason, message, payload = fields[1::2]
    topic, partition, offset = _PLACE.decode(place)
    return DeadLetter(
        topic, partition, offset, event_type.decode(), reason.decode(), message.decode(), payload
    )
