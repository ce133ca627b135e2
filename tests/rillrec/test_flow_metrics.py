"""The flow's metrics are the declared ones, with what the tally counted."""

import urllib.request

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from flows.tally import Tally
from rillrec.flow_metrics import FlowMetrics, flow_metrics_served
from schemas.errors import SettingsError
from schemas.metrics import METRICS


@pytest.fixture
def tally() -> Tally:
    tally = Tally()
    tally.read(5, filtered=0, lag_ms=1_500)
    tally.settled(
        verdicts={("interaction", "accepted"): 3, ("interaction", "late"): 1},
        reasons={"late": 1},
        users={"new": 2, "cached": 1},
    )
    tally.learnt(3, items=2)
    tally.published("log", 7)
    with tally.timed("learn"):
        pass
    return tally


@pytest.fixture
def registry(tally: Tally) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(FlowMetrics(tally))
    return registry


def test_what_was_counted_is_told(registry: CollectorRegistry) -> None:
    value = registry.get_sample_value
    accepted = {"type": "interaction", "verdict": "accepted"}
    assert value("rillrec_flow_events_total", accepted) == 3
    assert value("rillrec_flow_dead_letters_total", {"reason": "late"}) == 1
    assert value("rillrec_flow_user_reads_total", {"outcome": "new"}) == 2
    assert value("rillrec_flow_examples_total") == 3
    assert value("rillrec_flow_publishes_total", {"form": "log"}) == 1
    assert value("rillrec_flow_lag_seconds") == 1.5
    assert value("rillrec_flow_model_version") == 7
    assert value("rillrec_flow_model_items") == 2
    learn = {"step": "learn"}
    assert value("rillrec_flow_step_seconds_bucket", learn | {"le": "+Inf"}) == 1
    assert value("rillrec_flow_step_seconds_count", learn) == 1


def test_every_declared_metric_of_the_flow_is_served_and_no_other(
    registry: CollectorRegistry,
) -> None:
    served = {f.name + ("_total" if f.type == "counter" else "") for f in registry.collect()}
    assert served == {m.name for m in METRICS if m.name.startswith("rillrec_flow_")}


def test_prometheus_can_read_them_over_http(tally: Tally, free_port: int) -> None:
    with flow_metrics_served(tally, host="127.0.0.1", port=free_port):
        url = f"http://127.0.0.1:{free_port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as reply:
            families = list(text_string_to_metric_families(reply.read().decode()))
        assert "rillrec_flow_events" in {family.name for family in families}
        with (
            pytest.raises(SettingsError, match=r"set flow\.metrics_port to one that is free"),
            flow_metrics_served(tally, host="127.0.0.1", port=free_port),
        ):
            pass


def test_port_0_serves_none(tally: Tally) -> None:
    with flow_metrics_served(tally, host="nowhere.invalid", port=0):
        pass
