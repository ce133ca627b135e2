"""What is counted comes out under the names, labels and kinds of the table of metrics."""

from __future__ import annotations

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from schemas import metrics
from serving.telemetry import Telemetry


def read(telemetry: Telemetry, name: str, **labels: str) -> float:
    found = telemetry.registry.get_sample_value(name, labels)
    assert found is not None
    return found


def test_calls_are_counted_by_method_and_status() -> None:
    telemetry = Telemetry()
    telemetry.answered("Recommend", "OK", 0.004)
    telemetry.answered("Recommend", "OK", 0.004)
    telemetry.answered("Track", "DATA_LOSS", 0.001)
    name = metrics.REQUESTS.name
    assert read(telemetry, name, method="Recommend", code="OK") == 2
    assert read(telemetry, name, method="Track", code="UNKNOWN") == 1
    assert read(telemetry, f"{metrics.REQUEST_SECONDS.name}_count", method="Recommend") == 2


def test_slates_are_counted_by_source_and_stage() -> None:
    telemetry = Telemetry()
    telemetry.served([("rules", "popularity"), ("rules",)], ["stale_model"])
    assert read(telemetry, metrics.SOURCE_CANDIDATES.name, source="rules") == 2
    assert read(telemetry, metrics.DEGRADED.name, stage="stale_model") == 1


def test_events_waits_and_publishes_are_counted() -> None:
    telemetry = Telemetry()
    telemetry.tracked("item", refused=False)
    telemetry.tracked("never heard of", refused=True)
    telemetry.waited(0.01, True)
    telemetry.applied(0.001, True)
    telemetry.appended(0.002, False)
    telemetry.impressed("dropped", 3)
    assert read(telemetry, metrics.TRACKED.name, type="item", verdict="well_formed") == 1
    assert read(telemetry, metrics.TRACKED.name, type="unknown", verdict="refused") == 1
    assert read(telemetry, f"{metrics.AFTER_SECONDS.name}_count", outcome="absorbed") == 1
    assert read(telemetry, f"{metrics.APPLY_SECONDS.name}_count") == 1
    assert read(telemetry, metrics.REPLICA_RELOADS.name) == 1
    assert read(telemetry, f"{metrics.APPEND_SECONDS.name}_count", outcome="failed") == 1
    assert read(telemetry, metrics.IMPRESSIONS.name, outcome="dropped") == 3


def test_gauge_is_read_when_it_is_asked_for() -> None:
    telemetry, readings = Telemetry(), [1.0]
    telemetry.watch(metrics.REPLICA_VERSION, lambda: readings[-1])
    readings.append(7.0)
    assert read(telemetry, metrics.REPLICA_VERSION.name) == 7.0


def test_every_metric_of_the_scorer_is_exposed_as_the_table_says() -> None:
    telemetry = Telemetry()
    for metric in (
        metrics.REPLICA_VERSION,
        metrics.REPLICA_AGE,
        metrics.SCORER_ITEMS,
        metrics.UNACKNOWLEDGED,
        metrics.QUEUED_IMPRESSIONS,
    ):
        telemetry.watch(metric, lambda: 0.0)
    text = generate_latest(telemetry.registry).decode()
    exposed = {
        family.name: family.type
        for family in text_string_to_metric_families(text)
        if not family.name.endswith("_created")
    }
    table = {
        metric.name.removesuffix("_total"): metric.kind
        for metric in metrics.METRICS
        if metric.name.startswith("rillrec_scorer_")
    }
    assert exposed == table
