"""What has come of a partition, and has not been handed on yet."""

from __future__ import annotations

from typing import Protocol

from confluent_kafka import KafkaError


class Fetched(Protocol):
    """A ``Message`` that a consumer has fetched: it has a place. No call copies anything."""

    def topic(self) -> str: ...

    def partition(self) -> int: ...

    def offset(self) -> int: ...

    def key(self) -> bytes | None: ...

    def value(self) -> bytes | None: ...

    def timestamp(self) -> tuple[int, int]: ...

    def error(self) -> KafkaError | None: ...


class Inbox:
    """Messages of one partition, in order.

    Parameters
    ----------
    until
        What lies at that offset or behind it is not for this reader.

    Attributes
    ----------
    at
        The offset behind all that was taken.
    ends_at
        Where the partition ended when its end was last reached. Behind the last message there may
        be offsets that hold none: of transactions, and of what was compacted away.
    """

    def __init__(
        self, topic: str, partition: int, offset: int, *, until: int | None = None
    ) -> None:
        self.topic, self.partition, self.at, self.until = topic, partition, offset, until
        self.messages: list[Fetched] = []
        self.ends_at: int | None = None

    @property
    def is_read(self) -> bool:
        """Whether all that is for this reader was taken."""
        return self.until is not None and self.at >= self.until

    def take(self, count: int) -> list[Fetched]:
        """Return the next messages, and have ``at`` stand behind them."""
        if self.until is not None:
            self._cut(self.until)
        taken, self.messages = self.messages[:count], self.messages[count:]
        if taken:
            self.at = taken[-1].offset() + 1
        if not self.messages and self.ends_at is not None:
            self.at, self.ends_at = max(self.at, self.ends_at), None
        return taken

    def _cut(self, until: int) -> None:
        mine = [one for one in self.messages if one.offset() < until]
        if len(mine) < len(self.messages) or (self.ends_at or 0) > until:
            self.ends_at = until
        self.messages = mine
