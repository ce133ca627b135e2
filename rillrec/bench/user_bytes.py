"""What users weigh in Redis: MEMORY USAGE over the keys of those whose history is full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from rillrec.bench.figures import quantile
from schemas.keys import Keys, shards
from schemas.user_codec import decode_user
from serving.store.wire import Wire

_SCANNED = 2_000


def bytes_per_user(url: str, model: str, *, history: int = 50) -> dict[str, Any]:
    """Return mean, median and 95th percentile over users with exactly so many events of history.

    A user who has done more has that many too: the history is cut there.
    """
    wire = Wire(url, timeout_s=30.0)
    try:
        sizes = [
            size for keys in _user_keys(wire, Keys(model)) for size in _sizes(wire, keys, history)
        ]
    finally:
        wire.close()
    return {
        "redis_bytes_per_user": round(fmean(sizes), 1) if sizes else None,
        "redis_bytes_p50": quantile(sizes, 0.5),
        "redis_bytes_p95": quantile(sizes, 0.95),
        "users_of_full_history": len(sizes),
    }


def _user_keys(wire: Wire, keys: Keys) -> Iterator[list[bytes]]:
    """Yield the keys of user states, by the handful."""
    cursor = b"0"
    begins = tuple(f"rillrec:{{{keys.name}:{shard}}}:user:".encode() for shard in shards())
    while True:
        cursor, found = wire.call("SCAN", cursor, "COUNT", _SCANNED)
        yield [key for key in found if key.startswith(begins)]
        if cursor == b"0":
            return


def _sizes(wire: Wire, keys: Sequence[bytes], history: int) -> list[int]:
    if not keys:
        return []
    states = wire.call("MGET", *keys)
    full = [
        key
        for key, state in zip(keys, states, strict=True)
        if state is not None and len(decode_user("", state).history) == history
    ]
    return list(wire.pipeline([("MEMORY", "USAGE", key, "SAMPLES", 0) for key in full]))
