"""The flow's metrics, as Prometheus reads them: nothing is counted here, the tally has it all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from schemas import metrics
from schemas.errors import SettingsError

if TYPE_CHECKING:
    from flows.tally import StepTimes, Tally


class FlowMetrics(Collector):
    """Reads a tally whenever Prometheus asks."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the flow that the table declares."""
        tally = self._tally
        yield _counter(metrics.EVENTS, tally.verdicts.items())
        yield _counter(metrics.DEAD_LETTERS, _single(tally.reasons.items()))
        yield _counter(metrics.USER_READS, _single(tally.users.items()))
        yield _counter(metrics.PUBLISHES, _single(tally.publishes.items()))
        yield _counter(metrics.EXAMPLES, [((), tally.examples)])
        yield _gauge(metrics.FLOW_LAG, tally.lag_ms / 1_000)
        yield _gauge(metrics.MODEL_VERSION, tally.model_version)
        yield _gauge(metrics.MODEL_ITEMS, tally.model_items)
        yield _histogram(metrics.STEP_SECONDS, tally.steps.items())


@contextmanager
def flow_metrics_served(tally: Tally, *, host: str, port: int) -> Iterator[None]:
    """Serve a tally's metrics while the block runs; port 0 serves none.

    Raises
    ------
    SettingsError
        The port is taken.
    """
    if port == 0:
        yield
        return
    registry = CollectorRegistry()
    registry.register(FlowMetrics(tally))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise SettingsError(
            f"metrics can't be served on {host}:{port}: {error.strerror}; set flow.metrics_port "
            "to one that is free, or to 0 for none"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _counter(
    metric: metrics.Metric, counts: Iterable[tuple[tuple[str, ...], int]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(metric.name, metric.meaning, labels=list(metric.labels))
    for labels, count in list(counts):
        family.add_metric(labels, count)
    return family


def _single(counts: Iterable[tuple[str, int]]) -> list[tuple[tuple[str, ...], int]]:
    return [((label,), count) for label, count in list(counts)]


def _gauge(metric: metrics.Metric, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.meaning, value=value)


def _histogram(
    metric: metrics.Metric, steps: Iterable[tuple[str, StepTimes]]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(metric.name, metric.meaning, labels=list(metric.labels))
    bounds = [*map(str, metric.buckets), "+Inf"]
    for step, times in steps:
        buckets = list(zip(bounds, accumulate(times.counts), strict=True))
        family.add_metric((step,), buckets, sum_value=times.total_s)
    return family
