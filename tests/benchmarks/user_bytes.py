"""Measure what a user takes in Redis: MEMORY USAGE of the keys of users with 50 visits.

    python -m tests.benchmarks.user_bytes ../shared/data/globo/events.csv.gz
    python -m tests.benchmarks.user_bytes --generated --offsets log

Prints median and 95th percentile over all users whose history is full at the end of the stream, by
the allocator of the Redis that is started here (and rounded up to the size classes of jemalloc,
which Redis uses where it is not said otherwise), and processor time of encoding and decoding.
Offsets are those of Kafka (8 partitions), of the embedded log, whose offsets carry times, or of the
file's own rows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import numpy as np

from flows.sources.file import FileSource
from online_models.sessions import absorb
from rillrec.bench.traffic import Traffic, generated
from schemas.events import DEFAULT_KIND_WEIGHTS, Interaction
from schemas.keys import shard_of
from schemas.user_codec import decode_user, encode_user
from schemas.user_state import StreamRules, UserState
from serving.store import RedisStore, ShardWrite
from serving.store.embedded import EmbeddedRedis
from serving.store.wire import Wire

VISITS = 50
PARTITIONS = 8
# Of jemalloc: four between one power of two and the next.
CLASSES = np.array([size * n // 4 for size in (128, 256, 512, 1_024, 2_048) for n in range(5, 9)])


def interactions(arguments: argparse.Namespace) -> Iterator[Interaction]:
    """Yield a stream's events."""
    if arguments.generated:
        yield from generated(Traffic())
        return
    source = FileSource(arguments.file, limit=arguments.rows)
    partition = source.open_at(source.topic, 0, 0)
    while True:
        try:
            for batch in partition.next_batch():
                happenings, _ = source.decoder(batch.records, now_ms=time.time_ns() // 1_000_000)
                yield from [event for _, event, _ in happenings if isinstance(event, Interaction)]
        except StopIteration:
            return


def place_of(
    offsets: str, event: Interaction, row: int, ends: Counter[int]
) -> tuple[str, int, int]:
    """Return topic, partition and offset of an event."""
    if offsets == "file":
        return "file:events.csv.gz", 0, row
    if offsets == "log":
        return "events", 0, (event.time_ms + 3 + row % 40 << 20) + row % 3
    partition = crc32(event.user_id.encode()) % PARTITIONS
    ends[partition] += 1
    return "interactions", partition, ends[partition] - 1


def states_of(arguments: argparse.Namespace) -> list[UserState]:
    """Return the states of all users whose history is full."""
    rules = StreamRules(unit=arguments.unit, kind_weights=DEFAULT_KIND_WEIGHTS)
    states: dict[str, UserState] = {}
    ends: Counter[int] = Counter()
    for row, event in enumerate(interactions(arguments)):
        topic, partition, offset = place_of(arguments.offsets, event, row, ends)
        states[event.user_id] = absorb(
            states.get(event.user_id), event, rules,
            topic=topic, partition=partition, offset=offset, contained=False,
        ).state  # type: ignore[assignment]  # fmt: skip
    return [state for state in states.values() if len(state.history) == VISITS]


def bytes_of(states: list[UserState]) -> list[int]:
    """Return what Redis says that each state takes."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(Path(folder)) as redis:
        store, wire = RedisStore(redis.url, name="default"), Wire(redis.url, timeout_s=30.0)
        store.write_shards(
            [ShardWrite(shard_of(state.user_id), {state.user_id: state}, {}) for state in states]
        )
        keys = [store.keys.user(state.user_id) for state in states]
        taken = wire.pipeline([("MEMORY", "USAGE", key) for key in keys])
        store.close()
        wire.close()
    return [int(one) for one in taken]


def in_classes(state: UserState, key_bytes: int) -> int:
    """Return what jemalloc takes: for value and key with their headers, object, and table entry."""
    parts = np.array((len(encode_user(state)) + 4, 16, key_bytes + 2, 24))
    small = (parts[1:] + 15) // 16 * 16
    return int(CLASSES[np.searchsorted(CLASSES, parts[0])] + small.sum())


def cpu_us(states: list[UserState]) -> tuple[float, float]:
    """Return processor time of encoding and decoding one state, in microseconds."""
    best = [float("inf"), float("inf")]
    for _ in range(5):
        started_s = time.process_time()
        payloads = [encode_user(state) for state in states]
        encoded_s = time.process_time()
        for state, payload in zip(states, payloads, strict=True):
            decode_user(state.user_id, payload)
        for n, spent in enumerate((encoded_s - started_s, time.process_time() - encoded_s)):
            best[n] = min(best[n], spent / len(states) * 1e6)
    return best[0], best[1]


def main() -> None:
    """Measure one stream, and print a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--generated", action="store_true", help="made-up events, instead")
    parser.add_argument("--offsets", choices=("kafka", "log", "file"), default="kafka")
    parser.add_argument("--unit", choices=("session", "user"), default="session")
    parser.add_argument("--rows", type=int, default=None)
    arguments = parser.parse_args()
    states = states_of(arguments)
    taken, spent = bytes_of(states), cpu_us(states)
    keys = RedisStore("redis://127.0.0.1:1", name="default").keys
    classes = [in_classes(state, len(keys.user(state.user_id))) for state in states]
    payloads = [len(encode_user(state)) for state in states]
    print(f"{len(states)} users with {VISITS} visits, offsets of {arguments.offsets}")
    for name, values in (("stored", payloads), ("here", taken), ("jemalloc", classes)):
        low, middle, high = np.percentile(values, (5, 50, 95))
        print(f"{name:>9} {middle:5.0f} bytes, 5 % {low:.0f}, 95 % {high:.0f}")
    print(f"     CPU  {spent[0]:5.1f} µs to encode, {spent[1]:.1f} to decode")


if __name__ == "__main__":
    main()
