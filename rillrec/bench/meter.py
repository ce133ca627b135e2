"""What is measured of a process: from its first event to its last, and nothing of its start-up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from msgspec import Struct

from rillrec.bench.proc import cpu_s_of_all, peak_memory_mb


class Measurement(Struct, frozen=True):
    """What one process took for a number of events.

    Parameters
    ----------
    seconds
        From the arrival of the first event to the moment when the last one was done with.
    process_s
        Processor time of all threads of the process in that span.
    workers_s
        That part of it which the workers' own threads took.
    reading_s
        That part of the workers' which went into the source.
    beside_s
        Processor time of other processes in that span, by their names.
    peak_mb
        The most memory that the process ever held, its libraries included.
    steps_s
        Processor time of each step of the flow, where there are steps.
    counts
        Whatever else was counted.
    """

    events: int
    seconds: float
    process_s: float
    workers_s: float
    reading_s: float
    beside_s: dict[str, float]
    peak_mb: float
    steps_s: dict[str, float] = {}
    counts: dict[str, int] = {}

    @property
    def events_per_s(self) -> float:
        return self.events / self.seconds if self.seconds else 0.0


class Meter:
    """Is told when events arrive and when they are done with; several threads may tell it.

    Parameters
    ----------
    events
        How many there will be.
    beside
        Processes whose processor time is measured too: name to process id.
    """

    def __init__(self, events: int, *, beside: Mapping[str, int] | None = None) -> None:
        self.events, self.arrived_events = events, 0
        self._lock = threading.Lock()
        self._beside = dict(beside or {})
        self._before: dict[str, float] = {}
        self._began_s = self._ended_s = 0.0
        self._process_from_s = self._process_until_s = 0.0
        self._reading_s = 0.0
        self._threads: dict[int, tuple[float, float]] = {}

    @property
    def all_arrived(self) -> bool:
        return self.arrived_events >= self.events

    def arrived(self, events: int) -> None:
        """Note that so many events have come to the calling thread: the first begin it all."""
        self.worked()
        with self._lock:
            if not self.arrived_events:
                self._before = cpu_s_of_all(self._beside)
                self._began_s, self._process_from_s = time.perf_counter(), time.process_time()
            self.arrived_events += events

    def done(self) -> None:
        """Note that something has been done with: the last time this is called is the end."""
        self.worked()
        with self._lock:
            self._ended_s, self._process_until_s = time.perf_counter(), time.process_time()

    def worked(self) -> None:
        """Note how far the calling thread, a worker's, has come."""
        now_s, thread = time.thread_time(), threading.get_ident()
        with self._lock:
            begin_s, _ = self._threads.get(thread, (now_s, now_s))
            self._threads[thread] = begin_s, now_s

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Count the processor time of a block as the source's, once this thread has had events."""
        begin_s = time.thread_time()
        yield
        if threading.get_ident() in self._threads:
            with self._lock:
                self._reading_s += time.thread_time() - begin_s

    def measurement(
        self,
        *,
        steps_s: Mapping[str, float] | None = None,
        counts: Mapping[str, int] | None = None,
    ) -> Measurement:
        """Return what was measured."""
        after = cpu_s_of_all(self._beside)
        return Measurement(
            events=self.arrived_events,
            seconds=self._ended_s - self._began_s,
            process_s=self._process_until_s - self._process_from_s,
            workers_s=sum(until_s - from_s for from_s, until_s in self._threads.values()),
            reading_s=self._reading_s,
            beside_s={name: after[name] - self._before.get(name, 0.0) for name in after},
            peak_mb=peak_memory_mb(),
            steps_s=dict(steps_s or {}),
            counts=dict(counts or {}),
        )
