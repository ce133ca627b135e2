"""The scorer's instruments, made from the table of metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from schemas import metrics
from schemas.metrics import Metric

Made = TypeVar("Made", bound=MetricWrapperBase)
Labelled = dict[tuple[str, ...], Made]


class Telemetry:
    """What the scorer counts and times; one per server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._children(Counter, metrics.REQUESTS)
        self._seconds = self._children(Histogram, metrics.REQUEST_SECONDS)
        self._sources = self._children(Counter, metrics.SOURCE_CANDIDATES)
        self._degraded = self._children(Counter, metrics.DEGRADED)
        self._tracked = self._children(Counter, metrics.TRACKED)
        self._after = self._children(Histogram, metrics.AFTER_SECONDS)
        self._append = self._children(Histogram, metrics.APPEND_SECONDS)
        self._impressions = self._children(Counter, metrics.IMPRESSIONS)
        self._apply = self._children(Histogram, metrics.APPLY_SECONDS)[()]
        self._reloads = self._children(Counter, metrics.REPLICA_RELOADS)[()]

    def answered(self, method: str, code: str, seconds: float) -> None:
        """Count a call that was answered. Codes that the table does not list count as UNKNOWN."""
        found = self._requests.get((method, code)) or self._requests[method, "UNKNOWN"]
        found.inc()
        self._seconds[(method,)].observe(seconds)

    def served(self, sources: Iterable[Iterable[str]], degraded: Iterable[str]) -> None:
        """Count a slate: the sources of each of its items, and the stages that it came by."""
        for names in sources:
            for name in names:
                self._sources[(name,)].inc()
        for stage in degraded:
            self._degraded[(stage,)].inc()

    def tracked(self, event_type: str, *, refused: bool) -> None:
        """Count an event that was appended to the event log."""
        verdict = "refused" if refused else "well_formed"
        child = self._tracked.get((event_type, verdict)) or self._tracked["unknown", verdict]
        child.inc()

    def waited(self, seconds: float, absorbed: bool) -> None:
        """Note how long a request waited for a user's state."""
        self._after[("absorbed" if absorbed else "deadline",)].observe(seconds)

    def appended(self, seconds: float, stored: bool) -> None:
        """Note how long the event log took for a call."""
        self._append[("stored" if stored else "failed",)].observe(seconds)

    def impressed(self, outcome: str, count: int) -> None:
        """Count impressions by what became of them."""
        self._impressions[(outcome,)].inc(count)

    def applied(self, seconds: float, reloaded: bool) -> None:
        """Note how long requests stood still for a publish, or that a base was loaded again."""
        self._apply.observe(seconds)
        if reloaded:
            self._reloads.inc()

    def watch(self, metric: Metric, read: Callable[[], float]) -> None:
        """Have a gauge read whenever it is asked for."""
        Gauge(metric.name, metric.meaning, registry=self.registry).set_function(read)

    def _children(self, kind: type[Made], metric: Metric) -> Labelled[Made]:
        """Return one instrument for each combination of label values."""
        options: dict[str, Any] = {"buckets": metric.buckets} if metric.buckets else {}
        made = kind(
            metric.name, metric.meaning, list(metric.labels), registry=self.registry, **options
        )
        if not metric.labels:
            return {(): made}
        return {values: made.labels(*values) for values in product(*metric.labels.values())}
