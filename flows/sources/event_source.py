"""What every source of events is: partitions that resume, and a decoder of their records."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable
from functools import partial

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.batches import SourceBatch
from flows.decode import Decoder
from flows.held import resume_marks
from flows.lease import Lease
from flows.patience import patiently
from flows.sources.watched import OnFailure, Unreadable, Watched
from schemas.errors import RillrecError
from schemas.positions import Marks, mark_of
from serving.store import Store


class EventSource(FixedPartitionedSource[SourceBatch, int]):
    """One partition of one topic, read by one worker.

    It starts where the store says (``flows.held``): below it all is stored, learnt and published.
    Where the engine keeps a recovery store, it starts at the lower of both.

    Parameters
    ----------
    topic
        The name that positions are counted under.
    decoder
        Knows what the records look like.

    Attributes
    ----------
    on_failure
        Told why the source can't be opened or read on, which then counts as its end. Where it is
        ``None`` the error is raised, and ends the engine.
    """

    def __init__(self, topic: str, decoder: Decoder) -> None:
        self.topic, self.decoder = topic, decoder
        self.on_failure: OnFailure | None = None
        self._ended = threading.Event()
        self._resume_marks: Callable[[], Marks] = dict
        self._lease: Lease | None = None
        self._watch: Callable[[], None] = lambda: None

    def resume_from(
        self,
        store: Store,
        lease: Lease | None = None,
        *,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        """Start where a store says, holding the lease of its model while reading.

        ``watch`` is called before each batch, and raises ``FlowOutdated`` where the flow is to be
        built anew.
        """
        self._resume_marks, self._lease = partial(resume_marks, store), lease
        self._watch = watch

    def end(self) -> None:
        """Read nothing more: the flow ends in order, everything that was read is published."""
        self._ended.set()

    def list_parts(self) -> list[str]:
        return [f"{self.topic}/0"]

    def build_part(
        self, step_id: str, for_part: str, resume_state: int | None
    ) -> StatefulSourcePartition[SourceBatch, int]:
        if self.on_failure is None:
            return self._opened(resume_state)
        try:
            return Watched(self._opened(resume_state), self.on_failure)
        except RillrecError as error:
            self.on_failure(error)
            return Unreadable()

    def _opened(self, resume_state: int | None) -> StatefulSourcePartition[SourceBatch, int]:
        if self._lease is not None:
            self._lease.hold()
        start = mark_of(patiently(lambda _again: self._resume_marks()), self.topic, 0)
        if resume_state is not None:
            start = min(start, resume_state)
        return self.open_at(start)

    @abstractmethod
    def open_at(self, start: int) -> StatefulSourcePartition[SourceBatch, int]:
        """Return the partition, to be read from an offset on."""

    def keep_reading(self) -> bool:
        """Return whether to read on; if so, the lease has been renewed where that was due."""
        if self._ended.is_set():
            return False
        if self._lease is not None:
            self._lease.hold()
        self._watch()
        return True
