"""The tally as Prometheus reads it; names and meanings come from the table of metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)
from prometheus_client.registry import Collector

from flows.tally import Tally
from schemas import metrics
from schemas.metrics import Metric


class TallyCollector(Collector):
    """Translates a tally when it is asked for: counting costs the flow nothing more.

    Examples
    --------
    >>> from prometheus_client import CollectorRegistry, generate_latest
    >>> registry, tally = CollectorRegistry(), Tally()
    >>> registry.register(TallyCollector(tally))
    >>> tally.learnt(3, items=2)
    >>> b"rillrec_flow_examples_total 3.0" in generate_latest(registry)
    True
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterable[Family]:
        tally = self._tally.copy()
        yield _counter(metrics.EVENTS, {(*labels,): n for labels, n in tally.verdicts.items()})
        yield _counter(metrics.DEAD_LETTERS, {(reason,): n for reason, n in tally.reasons.items()})
        yield _counter(metrics.USER_READS, {(where,): n for where, n in tally.users.items()})
        yield _counter(metrics.PUBLISHES, {(form,): n for form, n in tally.publishes.items()})
        yield _counter(metrics.FEEDBACK, {(outcome,): n for outcome, n in tally.feedback.items()})
        yield _counter(metrics.LABELS, {(outcome,): n for outcome, n in tally.labels.items()})
        yield _counter(metrics.EXAMPLES, {(): tally.examples})
        yield _counter(metrics.LISTS_SKIPPED, {(): tally.lists_skipped})
        yield _counter(metrics.REBUILDS, {(reason,): n for reason, n in tally.rebuilds.items()})
        yield _counter(metrics.INCIDENTS, _by_kind(tally.incidents))
        yield _counter(metrics.DROPPED_INCIDENTS, {(): tally.incidents_dropped})
        yield _counter(metrics.COMMIT_FAILURES, {(): tally.commit_failures})
        yield _gauge(metrics.FLOW_LAG, tally.lag_ms / 1_000)
        yield _gauges(metrics.CONSUMER_LAG, {(t, str(p)): n for (t, p), n in tally.lags.items()})
        yield _gauges(metrics.WAITING, _by_whom(self._tally.waiting()))
        yield _gauge(metrics.MODEL_VERSION, tally.model_version)
        yield _gauge(metrics.MODEL_ITEMS, tally.model_items)
        yield _step_seconds(tally)


def _counter(metric: Metric, counts: Mapping[tuple[str, ...], int]) -> Family:
    # The family adds the suffix itself.
    name = metric.name.removesuffix("_total")
    family = CounterMetricFamily(name, metric.meaning, labels=list(metric.labels))
    for labels, count in sorted(counts.items()):
        family.add_metric(list(labels), count)
    return family


def _gauge(metric: Metric, value: float) -> Family:
    return GaugeMetricFamily(metric.name, metric.meaning, value=value)


def _gauges(metric: Metric, values: Mapping[tuple[str, ...], float]) -> Family:
    family = GaugeMetricFamily(metric.name, metric.meaning, labels=list(metric.labels))
    for labels, value in sorted(values.items()):
        family.add_metric(list(labels), value)
    return family


def _by_kind(incidents: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    # Those that have not happened too: an alert on a rise needs the 0 before it.
    return {(kind,): incidents.get(kind, 0) for kind in metrics.INCIDENTS.labels["kind"]}


def _by_whom(waiting: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    return {(whom,): waiting.get(whom, 0.0) for whom in metrics.WAITING.labels["whom"]}


def _step_seconds(tally: Tally) -> Family:
    metric = metrics.STEP_SECONDS
    family = HistogramMetricFamily(metric.name, metric.meaning, labels=list(metric.labels))
    for step, times in tally.steps.items():
        below, buckets = 0, []
        for bound, count in zip((*metric.buckets, float("inf")), times.counts, strict=True):
            below += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), float(below)))
        family.add_metric([step], buckets, times.total_s)
    return family
