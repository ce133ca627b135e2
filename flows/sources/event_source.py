"""What every source of events is: partitions that resume, and a decoder of their records."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.batches import SourceBatch
from flows.decode import Decoder
from flows.held import resume_marks
from flows.lease import Lease
from flows.patience import patiently
from flows.sources.watched import OnFailure, Unreadable, Watched
from schemas.errors import RillrecError
from schemas.positions import Marks
from serving.store import Store


class EventSource(FixedPartitionedSource[SourceBatch, int | None]):
    """Partitions of topics, each read by one worker; workers of a process share this object.

    Each starts where the store says (``flows.held``): below it all is stored, learnt and published.
    Where the engine keeps a recovery store, it starts at the lower of both.

    Parameters
    ----------
    parts
        Topics and partitions, by the names that positions are counted under.
    decoder
        Knows what the records look like.

    Attributes
    ----------
    on_failure
        Told why a partition can't be opened or read on, which then counts as the end of all of
        them. One thread at a time calls it. Where it is ``None`` the error is raised, and ends the
        engine.
    """

    def __init__(self, parts: Sequence[tuple[str, int]], decoder: Decoder) -> None:
        self.parts, self.decoder = tuple(parts), decoder
        self.on_failure: OnFailure | None = None
        self._store: Store | None = None
        self._marks: Marks | None = None
        self._lease: Lease | None = None
        self._watch: Callable[[], None] = lambda: None
        self._ended = threading.Event()
        self._opening, self._telling = threading.Lock(), threading.Lock()

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
        self._store, self._lease, self._watch = store, lease, watch

    def end(self) -> None:
        """Read nothing more: the flow ends in order, everything that was read is published."""
        self._ended.set()

    @property
    def asked_to_end(self) -> bool:
        """Whether ``end`` was called: it did not end by itself."""
        return self._ended.is_set()

    def close(self) -> None:
        """Let go of what the source holds, once the flow has ended."""

    def list_parts(self) -> list[str]:
        return [f"{topic}/{partition}" for topic, partition in self.parts]

    def build_part(
        self, step_id: str, for_part: str, resume_state: int | None
    ) -> StatefulSourcePartition[SourceBatch, int | None]:
        topic, _, partition = for_part.rpartition("/")
        # One at a time: what keeps one partition from being opened keeps the others, at once.
        with self._opening:
            if self.on_failure is None:
                return self._opened(topic, int(partition), resume_state)
            if self._ended.is_set():
                return Unreadable(resume_state)
            try:
                opened = self._opened(topic, int(partition), resume_state)
            except RillrecError as error:
                self._fail(error)
                return Unreadable(resume_state)
        return Watched(opened, self._fail)

    def _fail(self, error: RillrecError) -> None:
        """End all partitions in order, and tell why."""
        self.end()
        with self._telling:
            assert self.on_failure is not None
            self.on_failure(error)

    def _opened(
        self, topic: str, partition: int, resume_state: int | None
    ) -> StatefulSourcePartition[SourceBatch, int | None]:
        if self._lease is not None:
            self._lease.hold()
        start = self._resume_marks().get(topic, {}).get(partition)
        if start is not None and resume_state is not None:
            start = min(start, resume_state)
        return self.open_at(topic, partition, start)

    def _resume_marks(self) -> Marks:
        """Return where to start: of one moment, before anything of this flow was published."""
        if self._marks is None:
            store = self._store
            self._marks = {} if store is None else patiently(lambda: resume_marks(store))
        return self._marks

    @abstractmethod
    def open_at(
        self, topic: str, partition: int, start: int | None
    ) -> StatefulSourcePartition[SourceBatch, int | None]:
        """Return a partition, to be read from an offset on: ``None`` where the store has none."""

    def keep_reading(self) -> bool:
        """Return whether to read on; if so, the lease has been renewed where that was due."""
        if self._ended.is_set():
            return False
        if self._lease is not None:
            self._lease.hold()
        self._watch()
        return True
