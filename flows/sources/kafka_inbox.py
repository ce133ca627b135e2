"""What has come of a partition, and has not been handed on yet."""

from __future__ import annotations

import math
from typing import Protocol

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError


class Fetched(Protocol):
    """A ``Message`` that a consumer has fetched: it has a place. No call copies anything."""

    def topic(self) -> str: ...

    def partition(self) -> int: ...

    def offset(self) -> int: ...

    def key(self) -> bytes | None: ...

    def value(self) -> bytes | None: ...

    def timestamp(self) -> tuple[int, int]: ...

    def error(self) -> KafkaError | None: ...


def appended_ms(message: Fetched) -> int | None:
    """Return when a message was appended or made, whichever its topic keeps."""
    kind, time_ms = message.timestamp()
    return None if kind == TIMESTAMP_NOT_AVAILABLE else int(time_ms)


class Inbox:
    """Messages of one partition, in order.

    Parameters
    ----------
    until
        What lies at that offset or behind it is not for this reader.

    Attributes
    ----------
    at, reached_ms
        The offset behind all that was taken, and when the last of it was appended.
    heard_s
        When the partition was last heard of, on the reader's clock.
    ends_at
        Where the partition ended when its end was last reached. Behind the last message there may
        be offsets that hold none: of transactions, and of what was compacted away.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        offset: int,
        *,
        until: int | None = None,
        heard_s: float = 0.0,
    ) -> None:
        self.topic, self.partition, self.at, self.until = topic, partition, offset, until
        self.messages: list[Fetched] = []
        self.ends_at: int | None = None
        self.reached_ms, self.heard_s = 0, heard_s

    @property
    def is_read(self) -> bool:
        """Whether all that is for this reader was taken."""
        return self.until is not None and self.at >= self.until

    @property
    def next_ms(self) -> int | None:
        """When the next message was appended; ``None`` where there is none, or nobody knows."""
        return appended_ms(self.messages[0]) if self.messages else None

    def waits_for(self, horizon_ms: float) -> bool:
        """Return whether there are messages, and the next was appended later than that."""
        next_ms = self.next_ms
        return next_ms is not None and next_ms > horizon_ms

    def take(self, count: int, horizon_ms: float = math.inf) -> list[Fetched]:
        """Return the next messages, and have ``at`` stand behind them.

        What was appended after the horizon stays, with all that follows it.
        """
        if self.until is not None:
            self._cut(self.until)
        count = self._within(count, horizon_ms)
        taken, self.messages = self.messages[:count], self.messages[count:]
        if taken:
            self.at = taken[-1].offset() + 1
            self.reached_ms = appended_ms(taken[-1]) or self.reached_ms
        if not self.messages and self.ends_at is not None:
            self.at, self.ends_at = max(self.at, self.ends_at), None
        return taken

    def _within(self, count: int, horizon_ms: float) -> int:
        for place, message in enumerate(self.messages[:count]):
            if (appended_ms(message) or 0) > horizon_ms:
                return place
        return count

    def _cut(self, until: int) -> None:
        mine = [one for one in self.messages if one.offset() < until]
        if len(mine) < len(self.messages) or (self.ends_at or 0) > until:
            self.ends_at = until
        self.messages = mine
