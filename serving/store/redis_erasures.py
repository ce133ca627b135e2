"""Forgotten users in Redis: hashes that keep them out, and the audit.

The key is stored before the first hash that it makes, so one Redis never comes back with hashes and
without their key. In a Redis Cluster it lies in another slot than the hashes, which could lose it
alone: then nobody is recognised by the older hashes any more.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

from schemas.forgetting import KEY_BYTES
from schemas.keys import shards
from serving.store.encoding import audited_of, erasure_values
from serving.store.protocol import Store
from serving.store.records import Audited
from serving.store.redis_part import RedisPart
from serving.store.refusals import other_key
from serving.store.wire import Command

_AT_ONCE = 1_000


class ErasuresInRedis(RedisPart):
    """The part of the store that remembers who was forgotten; ``Store`` documents its methods."""

    _forget_memory_s: int

    def forget_key(self) -> bytes:
        return self._key_or(secrets.token_bytes(KEY_BYTES))

    def _key_or(self, key: bytes) -> bytes:
        """Return the key; where there is none, this one is it from now on."""
        name = self.keys.forget_key
        _, kept = self._wire.pipeline([("SET", name, key, "NX"), ("GET", name)])
        return bytes(kept)

    def erased(self, shard: str) -> dict[bytes, int]:
        key, oldest = self.keys.erased(shard), self._oldest_ms()
        flat = self._wire.call("ZRANGEBYSCORE", key, oldest, "+inf", "WITHSCORES")
        return {digest: int(float(ms)) for digest, ms in zip(flat[::2], flat[1::2], strict=True)}

    def erasures(self) -> Iterator[Audited]:
        oldest = self._oldest_ms()
        for shard in shards():
            after = str(oldest)
            while entries := self._audit(shard, after):
                yield from [audited_of(shard, *entry) for entry in entries]
                after = f"({entries[-1][0].decode()}"

    def _audit(self, shard: str, after: str) -> list[tuple[bytes, list[bytes]]]:
        key = self.keys.audit(shard)
        entries: list[tuple[bytes, list[bytes]]]
        entries = self._wire.call("XRANGE", key, after, "+", "COUNT", _AT_ONCE)
        return entries

    def adopt_erasures(self, other: Store) -> None:
        by_shard: dict[str, list[Audited]] = {}
        for audited in other.erasures():
            by_shard.setdefault(audited.shard, []).append(audited)
        key = other.forget_key()
        if self._key_or(key) != key and by_shard:
            raise other_key()
        for shard, entries in by_shard.items():
            self._adopt(shard, entries)

    def _adopt(self, shard: str, entries: list[Audited]) -> None:
        erased, audit = self.keys.erased(shard), self.keys.audit(shard)
        newest = self._wire.call("XREVRANGE", audit, "+", "-", "COUNT", 1)
        told_ms = int(newest[0][0].partition(b"-")[0]) if newest else -1
        commands: list[Command] = []
        for number, audited in enumerate(entries):
            erasure, when_ms = audited.erasure, audited.when_ms
            commands.append(("ZADD", erased, "GT", erasure.until_ms, erasure.digest))
            if when_ms > told_ms:
                who, until_ms, topic, partition, offset = erasure_values(erasure)
                commands.append(
                    (
                        "XADD", audit, f"{when_ms}-{number}", "who", who, "until_ms", until_ms,
                        "topic", topic, "partition", partition, "offset", offset,
                    )
                )  # fmt: skip
        self._wire.pipeline(commands)

    def _oldest_ms(self) -> int:
        return time.time_ns() // 1_000_000 - 1_000 * self._forget_memory_s
