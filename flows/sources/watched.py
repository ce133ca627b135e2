"""A source that can't be read on ends like one that is at its end, and tells why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bytewax.inputs import StatefulSourcePartition

from flows.batches import SourceBatch
from schemas.errors import RillrecError

OnFailure = Callable[[RillrecError], None]


class Watched(StatefulSourcePartition[SourceBatch, int | None]):
    """Reads another partition. What was read before a failure is learnt and published.

    An exception would end the engine at once, with a trace of its own on stderr.
    """

    def __init__(
        self, partition: StatefulSourcePartition[SourceBatch, int | None], on_failure: OnFailure
    ) -> None:
        self._partition, self._on_failure = partition, on_failure

    def next_batch(self) -> list[SourceBatch]:
        try:
            return list(self._partition.next_batch())
        except RillrecError as error:
            self._on_failure(error)
            raise StopIteration from None

    def next_awake(self) -> datetime | None:
        return self._partition.next_awake()

    def snapshot(self) -> int | None:
        return self._partition.snapshot()

    def close(self) -> None:
        self._partition.close()


class Unreadable(StatefulSourcePartition[SourceBatch, int | None]):
    """A partition that could not be opened: it stays where the engine's recovery store has it."""

    def __init__(self, resume_state: int | None) -> None:
        self._resume_state = resume_state

    def next_batch(self) -> list[SourceBatch]:
        raise StopIteration

    def snapshot(self) -> int | None:
        return self._resume_state
