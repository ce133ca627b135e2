"""The store of production: one Redis, of your own or embedded."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence

from schemas.errors import StoreError
from schemas.positions import Position
from schemas.settings import Settings
from serving.store import scripts
from serving.store.encoding import flattened, offset_of, position_of, stream_id_of
from serving.store.protocol import FORGET_MEMORY_S
from serving.store.redis_erasures import ErasuresInRedis
from serving.store.redis_model import ModelInRedis
from serving.store.redis_shards import ShardsInRedis

_log = logging.getLogger(__name__)


class RedisStore(ShardsInRedis, ErasuresInRedis, ModelInRedis):
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
    slates_ttl_s
        The same for slates. Longer than the time in which they are answered, and than a flow may
        stand still.
    forget_memory_s
        For how long it is remembered who was forgotten. Longer than a source may be replayed, which
        would bring such a user's state back: 100 to 200 bytes a user.
    timeout_s
        After which a silent Redis counts as lost. Blocking reads wait half of it at most.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        user_ttl_s: int = 90 * 86_400,
        slates_ttl_s: int = 2 * 86_400,
        forget_memory_s: int = FORGET_MEMORY_S,
        timeout_s: float = 5.0,
    ) -> None:
        super().__init__(
            url,
            name=name,
            user_ttl_s=user_ttl_s,
            slates_ttl_s=slates_ttl_s,
            forget_memory_s=forget_memory_s,
            timeout_s=timeout_s,
        )

    @classmethod
    def of(cls, settings: Settings, url: str, *, name: str | None = None) -> RedisStore:
        """Return the store that settings mean: of their own model, or of another.

        Slates live for a day more than they wait for their answers.
        """
        window_s = settings.stream.feedback_window_ms // 1_000
        return cls(
            url,
            name=name or settings.model.name,
            user_ttl_s=settings.store.user_ttl_s,
            slates_ttl_s=86_400 + window_s,
            forget_memory_s=settings.store.forget_memory_s,
        )

    def rewrite_file(self) -> None:
        """Ask a Redis that lost writes to write its append-only file anew.

        A cut within a transaction leaves its beginning in the file, and the start after the next
        would carry it out. Where Redis refuses, ``redis-check-aof --fix`` before its next start
        does the same.
        """
        try:
            self._wire.call("BGREWRITEAOF")
        except StoreError as error:
            _log.warning(
                "the append-only file was not written anew (%s): run redis-check-aof --fix on it "
                "before Redis is started again",
                error,
            )

    def append_events(self, events: Sequence[tuple[str, bytes]]) -> list[Position]:
        if not events:
            return []
        [ids] = self._wire.evaluate(scripts.ADD_EVENTS, [(1, self.keys.events, *flattened(events))])
        return [position_of(stream_id) for stream_id in ids]

    def read_events(
        self, from_offset: int, *, count: int, block_ms: int = 0
    ) -> list[tuple[int, str, bytes]]:
        after = stream_id_of(max(from_offset, 1) - 1)
        return [
            (offset_of(stream_id), fields[1].decode(), fields[3])
            for stream_id, fields in self._read_stream(self.keys.events, after, count, block_ms)
        ]

    def acquire(self, owner: str, ttl_ms: int) -> str | None:
        token = f"{secrets.token_hex(8)}:{owner}"
        [taken] = self._wire.evaluate(scripts.ACQUIRE, [(1, self.keys.owner, token, owner, ttl_ms)])
        return token if taken else None

    def renew(self, token: str, ttl_ms: int) -> bool:
        return bool(self._wire.evaluate(scripts.RENEW, [(1, self.keys.owner, token, ttl_ms)])[0])

    def release(self, token: str) -> None:
        self._wire.evaluate(scripts.RELEASE, [(1, self.keys.owner, token)])

    def lease_owner(self) -> str | None:
        raw = self._wire.call("GET", self.keys.owner)
        return None if raw is None else raw.decode().partition(":")[2]
