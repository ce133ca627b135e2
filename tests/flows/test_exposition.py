"""What Prometheus reads of a flow."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from flows.exposition import TallyCollector
from flows.sources.log import LogSource
from flows.tally import Tally
from schemas.metrics import METRICS, Metric
from serving.store import MemoryStore
from tests.flows.shown import with_slates
from tests.flows.streams import run, troubled

FLOW: dict[str, Metric] = {m.name: m for m in METRICS if m.name.startswith("rillrec_flow_")}


def samples(tally: Tally) -> list[tuple[str, str, dict[str, str], float]]:
    registry = CollectorRegistry()
    registry.register(TallyCollector(tally))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return [(f.type, s.name, s.labels, s.value) for f in families for s in f.samples]


def test_a_run_shows_every_metric_of_the_flow_as_the_table_declares_it() -> None:
    store = MemoryStore()
    store.append_events([*with_slates(troubled(200)), ("mystery", b"{}")])
    _, tally = run(LogSource(store, follow=False), store)
    tally.rebuilt("outdated")
    tally.lags_behind("events", 0, 3)
    shown = set()
    for kind, sample, labels, _ in samples(tally):
        name = next(name for name in FLOW if sample == name or sample.startswith(f"{name}_"))
        metric = FLOW[name]
        shown.add(name)
        assert kind == metric.kind
        bounds = labels.pop("le", None)
        assert bounds is None or bounds == "+Inf" or float(bounds) in metric.buckets
        assert set(labels) == set(metric.labels)
        for label, value in labels.items():
            assert value in metric.labels[label] or not metric.labels[label]
    assert shown == set(FLOW)


def test_the_numbers_are_those_of_the_tally() -> None:
    tally = Tally()
    tally.read(9, filtered=1, lag_ms=1_500)
    tally.settled(verdicts={("item", "accepted"): 2}, reasons={"late": 3}, users={"new": 4})
    tally.published("base", 7)
    tally.steps["learn"].add(0.003)
    tally.steps["learn"].add(99.0)
    tally.lags_behind("items", 3, 12)
    tally.waits_for("broker")
    tally.incident("broker_away")
    found = {(name, *sorted(labels.values())): value for _, name, labels, value in samples(tally)}
    assert found["rillrec_flow_events_total", "accepted", "item"] == 2
    assert found["rillrec_flow_dead_letters_total", "late"] == 3
    assert found["rillrec_flow_user_reads_total", "new"] == 4
    assert found["rillrec_flow_publishes_total", "base"] == 1
    assert found["rillrec_flow_model_version",] == 7
    assert found["rillrec_flow_lag_seconds",] == 1.5
    assert found["rillrec_flow_consumer_lag_events", "3", "items"] == 12
    assert found["rillrec_flow_waiting_seconds", "broker"] > 0
    assert found["rillrec_flow_waiting_seconds", "store"] == 0
    assert found["rillrec_flow_incidents_total", "broker_away"] == 1
    assert found["rillrec_flow_incidents_total", "store_away"] == 0
    assert found["rillrec_flow_step_seconds_bucket", "0.0025", "learn"] == 0
    assert found["rillrec_flow_step_seconds_bucket", "0.005", "learn"] == 1
    assert found["rillrec_flow_step_seconds_bucket", "+Inf", "learn"] == 2
    assert found["rillrec_flow_step_seconds_sum", "learn"] == 99.003


def test_a_copy_stands_still() -> None:
    tally = Tally()
    tally.learnt(1, items=1)
    copy = tally.copy()
    tally.learnt(1, items=2)
    tally.settled(verdicts={("item", "accepted"): 2}, reasons={}, users={})
    tally.steps["learn"].add(1.0)
    assert (copy.examples, copy.events, sum(copy.steps["learn"].counts)) == (1, 0, 0)
