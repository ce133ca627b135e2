"""What all parts of the store in Redis share: a model's keys, and a wire."""

from __future__ import annotations

from schemas.keys import Keys
from serving.store.wire import Wire


class RedisPart:
    """One model's keys in one Redis.

    Parameters
    ----------
    url
        ``redis://[user:password@]host:port/db``, ``rediss://…`` or ``unix://PATH``.
    name
        The model's name, part of every key.
    timeout_s
        After which a silent Redis counts as lost. Blocking reads wait half of it at most.
    """

    def __init__(self, url: str, *, name: str, timeout_s: float) -> None:
        if timeout_s <= 0:
            raise ValueError(f"timeout_s is {timeout_s}, it must be positive")
        self.keys = Keys(name)
        self._wire = Wire(url, timeout_s=timeout_s)
        self._longest_block_ms = int(timeout_s * 500)

    @property
    def address(self) -> str:
        """Where Redis is, without credentials."""
        return self._wire.address

    def _read_stream(
        self, key: str, after: str, count: int, block_ms: int
    ) -> list[tuple[bytes, list[bytes]]]:
        block = ("BLOCK", min(block_ms, self._longest_block_ms)) if block_ms > 0 else ()
        reply = self._wire.call("XREAD", "COUNT", count, *block, "STREAMS", key, after)
        return reply[0][1] if reply else []

    def close(self) -> None:
        """Close all connections."""
        self._wire.close()
