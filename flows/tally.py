"""What a run has counted and timed: plain numbers, read by reports and by Prometheus."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from schemas.metrics import SECONDS, STEPS


class StepTimes:
    """Durations of one step, in the buckets that the table of metrics names."""

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total_s += seconds


_NONE: Mapping[str, int] = MappingProxyType({})


class Tally:
    """Counters of one process; its steps add to them by the batch.

    Events that are replayed after a crash count again: these numbers tell what this process did.

    Parameters
    ----------
    clock
        What steps are timed by, in seconds.

    Attributes
    ----------
    records
        What was read, the filtered ones among it, blank lines not.
    filtered
        Records below the least value, dropped before everything.
    verdicts
        ``(event type, verdict)`` to a count; verdicts as in ``schemas.metrics.EVENTS``.
    reasons
        Dead letters by reason, late ones included.
    users
        Where states were found: ``cached``, ``stored`` or ``new``.
    lags
        Topic and partition to the offsets yet to be read.
    incidents, incidents_dropped, commit_failures
        Incidents by kind, those that reached no listener, and offsets that Kafka did not take.
    feedback, labels
        What became of slates and their answers, and of the labels that the learner got.
    """

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._lock, self._clock = threading.Lock(), clock
        self.records = 0
        self.filtered = 0
        self.verdicts: Counter[tuple[str, str]] = Counter()
        self.reasons: Counter[str] = Counter()
        self.users: Counter[str] = Counter()
        self.feedback: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.publishes: Counter[str] = Counter()
        self.lags: Counter[tuple[str, int]] = Counter()
        self.incidents: Counter[str] = Counter()
        self.incidents_dropped = self.commit_failures = 0
        self._waits: dict[str, float] = {}
        self.rebuilds: Counter[str] = Counter()
        self.examples = 0
        self.lists_skipped = 0
        self.lag_ms = 0
        self.model_version = 0
        self.model_items = 0
        self.steps = {step: StepTimes() for step in STEPS}

    @property
    def events(self) -> int:
        """Events that were absorbed: accepted, not repeated."""
        return self._count("accepted")

    @property
    def duplicates(self) -> int:
        """Events that repeated one of their user's last ones."""
        return self._count("duplicate")

    @property
    def late(self) -> int:
        """Events too far behind their user's newest."""
        return self._count("late")

    @property
    def rejected(self) -> int:
        """Events that became dead letters, late ones included."""
        return self._count("refused") + self.late

    def _count(self, verdict: str) -> int:
        with self._lock:
            return sum(n for (_, given), n in self.verdicts.items() if given == verdict)

    def read(self, records: int, *, filtered: int, lag_ms: int | None) -> None:
        """Count a batch that was decoded."""
        with self._lock:
            self.records += records
            self.filtered += filtered
            if lag_ms is not None:
                self.lag_ms = lag_ms

    def settled(
        self,
        *,
        verdicts: Mapping[tuple[str, str], int],
        reasons: Mapping[str, int],
        users: Mapping[str, int],
        feedback: Mapping[str, int] = _NONE,
    ) -> None:
        """Count what the session step decided on."""
        with self._lock:
            if feedback:
                self.feedback.update(feedback)
            self.verdicts.update(verdicts)
            self.reasons.update(reasons)
            self.users.update(users)

    def learnt(
        self,
        examples: int,
        *,
        items: int,
        labels: Mapping[str, int] = _NONE,
        lists_skipped: int = 0,
    ) -> None:
        """Count examples and labels handed to the learner, which has so many items now.

        ``lists_skipped`` are those that it left out in a hurry.
        """
        with self._lock:
            if labels:
                self.labels.update(labels)
            self.examples += examples
            self.lists_skipped += lists_skipped
            self.model_items = items

    def published(self, form: str, version: int) -> None:
        """Count a publish (``log``) or a base snapshot (``base``) that has been stored."""
        with self._lock:
            self.publishes[form] += 1
            self.model_version = version

    def rebuilt(self, reason: str) -> None:
        """Count that the flow is built anew: what was on its way is read again."""
        with self._lock:
            self.rebuilds[reason] += 1

    def lags_behind(self, topic: str, partition: int, offsets: int) -> None:
        """Note how many offsets of a partition are yet to be read."""
        with self._lock:
            self.lags[topic, partition] = offsets

    def commit_failed(self) -> None:
        """Count offsets that could not be committed."""
        with self._lock:
            self.commit_failures += 1

    def incident(self, kind: str) -> None:
        """Count an incident."""
        with self._lock:
            self.incidents[kind] += 1

    def incident_dropped(self) -> None:
        """Count an incident that reached no listener."""
        with self._lock:
            self.incidents_dropped += 1

    def waits_for(self, whom: str) -> None:
        """Note that the flow waits for somebody from now on."""
        with self._lock:
            self._waits.setdefault(whom, self._clock())

    def waits_no_more(self, whom: str) -> None:
        """Note that somebody answers again."""
        with self._lock:
            self._waits.pop(whom, None)

    def waiting(self) -> dict[str, float]:
        """Return how many seconds the flow has waited for those that do not answer now."""
        with self._lock:
            return {whom: self._clock() - since_s for whom, since_s in self._waits.items()}

    def copy(self) -> Tally:
        """Return the numbers of this instant, safe to read while the steps go on counting."""
        other = Tally()
        with self._lock:
            for name, value in vars(self).items():
                if isinstance(value, int | Counter):
                    setattr(other, name, value.copy() if isinstance(value, Counter) else value)
            for step, times in self.steps.items():
                other.steps[step].counts[:] = times.counts
                other.steps[step].total_s = times.total_s
        return other

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Time what a step does for one batch."""
        started_s = self._clock()
        yield
        with self._lock:
            self.steps[step].add(self._clock() - started_s)
