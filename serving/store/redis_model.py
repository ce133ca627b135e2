"""A model in Redis: its log, its bases, and up to where all that it learnt from is stored.

Redis may come back without its last writes: one that syncs its append-only file once a second, or
a replica that is promoted. All of these keys share a slot, so it comes back as it was after some
earlier write; and the next write tells whether that was the last one. A publish follows exactly the
version before it; a base is staged only while the log ends with the base's version and marks, and
kept only while all its parts are there, and then the log behind the oldest base is trimmed; the
event log is trimmed only while the model's log ends with the publish that allows it. So nothing
that follows from a publish outlives it: no base without its version, no log or event that is gone
for a base or marks that were lost.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.model_log import Progress, Publish, encode_publish
from schemas.positions import Marks
from serving.store import scripts
from serving.store.encoding import (
    held_of,
    low_bytes,
    low_of,
    marks_bytes,
    publish_of,
    stream_id_of,
)
from serving.store.redis_bases import BasesInRedis
from serving.store.refusals import log_elsewhere
from serving.store.wire import Command


class ModelInRedis(BasesInRedis):
    """The part of the store that holds the model; ``Store`` documents its methods."""

    def append(self, publish: Publish, *, held: Mapping[str, Marks] | None = None) -> None:
        keys, version = self.keys, publish.progress.version
        moved: Command = ()
        for shard, marks in (held or {}).items():
            moved += (shard, marks_bytes(marks))
        [answer] = self._wire.evaluate(
            scripts.APPEND,
            [
                (
                    3, keys.log, keys.low, keys.held,
                    version, encode_publish(publish), low_bytes(publish.progress), *moved,
                )
            ],
        )  # fmt: skip
        if answer != b"OK":
            raise log_elsewhere(version, answer)

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

    def held(self) -> dict[str, Marks]:
        return held_of(self._wire.call("HGETALL", self.keys.held))

    def trim_events(self, below_offset: int, *, at: Progress) -> None:
        below = stream_id_of(max(below_offset, 0))
        self._wire.evaluate(
            scripts.TRIM_EVENTS,
            [(2, self.keys.events, self.keys.low, low_bytes(at), below)],
        )
