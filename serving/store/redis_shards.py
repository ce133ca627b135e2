"""Users in Redis: their states and slates, with the marks and the dead letters of their shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from schemas.keys import shard_of, shards
from schemas.positions import Marks
from schemas.slates import Slates
from schemas.slates_codec import encode_slates
from schemas.user_codec import encode_user
from schemas.user_state import UserState
from serving.store import scripts
from serving.store.encoding import (
    dead_letter_of,
    dead_values,
    erasure_values,
    marks_bytes,
    marks_of,
    slates_of,
    user_of,
)
from serving.store.protocol import DEAD_LETTERS_PER_SHARD
from serving.store.records import DeadLetter, ShardWrite
from serving.store.redis_part import RedisPart
from serving.store.refusals import advances_nothing, shard_elsewhere
from serving.store.wire import Command

_LETTERS_AT_ONCE = 1_000


class ShardsInRedis(RedisPart):
    """The part of the store that holds the users; ``Store`` documents its methods.

    All keys of a shard share a slot, and one script writes them: so a shard comes back from a fault
    of Redis as it was after some earlier write, whole. A Redis Cluster may take one shard further
    back than others, or than the model; ``flows.held`` tells what is done then.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        timeout_s: float,
        user_ttl_s: int,
        slates_ttl_s: int,
        forget_memory_s: int,
    ) -> None:
        super().__init__(url, name=name, timeout_s=timeout_s)
        self._forget_memory_s = forget_memory_s
        if user_ttl_s <= 0:
            raise ValueError(f"user_ttl_s is {user_ttl_s}, it must be positive")
        if slates_ttl_s <= 0:
            raise ValueError(f"slates_ttl_s is {slates_ttl_s}, it must be positive")
        self._user_ttl_s, self._slates_ttl_s = user_ttl_s, slates_ttl_s

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

    def read_slates(self, user_ids: Sequence[str]) -> dict[str, Slates]:
        if not user_ids:
            return {}
        payloads = self._wire.call("MGET", *map(self.keys.slates, user_ids))
        found = map(slates_of, user_ids, payloads)
        return {slates.user_id: slates for slates in found if slates is not None}

    def read_marks(self, shards: Sequence[str]) -> list[Marks]:
        if not shards:
            return []
        return [marks_of(raw) for raw in self._wire.call("MGET", *map(self.keys.marks, shards))]

    def write_shards(self, writes: Sequence[ShardWrite]) -> None:
        calls = [self._call(write) for write in writes]
        answers = self._wire.evaluate(scripts.WRITE_SHARD, calls)
        for write, answer in zip(writes, answers, strict=True):
            if answer != b"OK":
                raise shard_elsewhere(write.shard, marks_of(answer), write.before or {})

    def _call(self, write: ShardWrite) -> Command:
        keys, states = self.keys, write.states
        slates = {user: given for user, given in write.slates.items() if given is not None}
        no_slates = {user: None for user in (*write.forgotten, *write.slates) if user not in slates}
        marks = marks_bytes(write.marks)
        before = b"" if write.before is None else marks_bytes(write.before)
        if before == marks:
            raise advances_nothing(write.shard, write.marks)
        touched = [
            keys.marks(write.shard),
            keys.dead(write.shard),
            keys.erased(write.shard),
            keys.audit(write.shard),
            *map(keys.user, states),
            *map(keys.slates, slates),
            *[keys.user(user_id) for user_id in write.forgotten if user_id not in states],
            *map(keys.slates, no_slates),
        ]
        dead = [value for letter in write.dead for value in dead_values(letter)]
        gone = [*self._letters_of(write.forgotten, write.shard)] if write.forgotten else []
        erased: list[str | bytes | int] = []
        for erasure in write.erased:
            erased += (erasure.digest, *erasure_values(erasure))
        return (
            len(touched), *touched,
            before, marks, self._user_ttl_s, self._slates_ttl_s, DEAD_LETTERS_PER_SHARD,
            len(states), len(slates), len(write.dead), len(gone), len(write.erased),
            self._forget_memory_s, *gone, *dead, *erased,
            *map(encode_user, states.values()), *map(encode_slates, slates.values()),
        )  # fmt: skip

    def _letters_of(self, user_ids: Sequence[str], shard: str) -> Iterator[bytes]:
        """Yield the ids of users' dead letters. Nobody adds to them: a shard has one writer."""
        dead, after = self.keys.dead(shard), "-"
        while entries := self._wire.call("XRANGE", dead, after, "+", "COUNT", _LETTERS_AT_ONCE):
            for letter_id, fields in entries:
                letter = dead_letter_of(fields)
                if any(letter.is_of(user_id) for user_id in user_ids):
                    yield letter_id
            after = f"({entries[-1][0].decode()}"

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
