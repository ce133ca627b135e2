"""A model's base snapshots in Redis: staged in parts, kept once all are there."""

from __future__ import annotations

from typing import Any

from schemas.errors import StoreError
from schemas.model_log import Progress, Publish, encode_publish
from serving.store import scripts
from serving.store.bases import WholeBases, whole_of
from serving.store.encoding import low_bytes, publish_of
from serving.store.protocol import KEPT_BASES
from serving.store.redis_part import RedisPart
from serving.store.refusals import base_elsewhere, base_lost


class BasesInRedis(WholeBases, RedisPart):
    """The part of the store that holds bases; ``Store`` documents its methods.

    A base is a list: the marks and version of its progress, which are what the log ended with when
    the first part was staged, then the parts.
    """

    def stage_base(self, number: int, part: Publish) -> None:
        keys, progress = self.keys, part.progress
        [answer] = self._wire.evaluate(
            scripts.STAGE_BASE,
            [(2, keys.low, keys.staged, low_bytes(progress), number, encode_publish(part))],
        )
        _check(answer, progress)

    def keep_base(self, progress: Progress, parts: int) -> None:
        keys = self.keys
        [answer] = self._wire.evaluate(
            scripts.KEEP_BASE,
            [
                (
                    3, keys.bases, keys.log, keys.staged,
                    low_bytes(progress), progress.version, parts, keys.base_prefix, KEPT_BASES,
                )
            ],
        )  # fmt: skip
        _check(answer, progress)

    def newest_base(self) -> Publish | None:
        # Three bases may be put between the two reads; then the one that was named is gone.
        for _ in range(3):
            newest = self._wire.call("ZREVRANGE", self.keys.bases, 0, 0)
            if not newest:
                return None
            version = int(newest[0])
            _, *parts = self._read(version) or [b""]
            if parts:
                return whole_of([publish_of(raw, f"base {version}") for raw in parts])
        raise StoreError(
            f"{self.keys.bases} names version {version}, but its base is gone: is Redis evicting "
            "keys? Set maxmemory-policy to noeviction or volatile-ttl"
        )

    def _read(self, version: int) -> list[bytes]:
        key = self.keys.base(version)
        if self._wire.call("TYPE", key) == b"string":
            raise StoreError(
                f"{key} is of an earlier version of Rillrec, which this one can't read: replay or "
                "backfill into a model of another name"
            )
        return list(self._wire.call("LRANGE", key, 0, -1))


def _check(answer: Any, progress: Progress) -> None:
    if answer == b"OK":
        return
    if answer == b"LOST":
        raise base_lost(progress.version)
    raise base_elsewhere(progress.version, answer)
