"""The flow's metrics are served where Prometheus can read them."""

import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flows.tally import Tally
from rillrec.flow_metrics import flow_metrics_served
from schemas.errors import SettingsError
from schemas.metrics import METRICS

HOST = "127.0.0.1"


def test_prometheus_reads_every_declared_metric_of_the_flow(free_port: int) -> None:
    url = f"http://{HOST}:{free_port}/metrics"
    with (
        flow_metrics_served(Tally(), host=HOST, port=free_port),
        urllib.request.urlopen(url, timeout=60) as reply,
    ):
        families = list(text_string_to_metric_families(reply.read().decode()))
    served = {f.name + ("_total" if f.type == "counter" else "") for f in families}
    assert served == {m.name for m in METRICS if m.name.startswith("rillrec_flow_")}


def test_a_port_that_is_taken_is_told(free_port: int) -> None:
    with (
        flow_metrics_served(Tally(), host=HOST, port=free_port),
        pytest.raises(SettingsError, match=r"set flow\.metrics_port to one that is free, or to 0"),
        flow_metrics_served(Tally(), host=HOST, port=free_port),
    ):
        pass


def test_port_0_serves_none() -> None:
    with flow_metrics_served(Tally(), host="nowhere.invalid", port=0):
        pass
