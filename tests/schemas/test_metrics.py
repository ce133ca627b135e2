"""The table of metrics keeps its own rules."""

import re
from pathlib import Path

import pytest

from schemas import metrics
from schemas.metrics import METRICS, Metric


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_named_by_the_rules(metric: Metric) -> None:
    assert re.fullmatch(r"rillrec_(flow|scorer)_[a-z]+(_[a-z]+)*", metric.name)
    stem = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert stem.endswith(f"_{metric.unit}")
    assert metric.meaning.endswith(".")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_labels_are_bounded_and_never_name_a_user_or_an_item(metric: Metric) -> None:
    series = 1
    for label, values in metric.labels.items():
        assert re.fullmatch(r"[a-z]+", label)
        assert label not in {"user", "item", "session", "request", "le", "quantile"}
        if label not in {"topic", "partition"}:  # as many as the brokers have
            assert len(set(values)) == len(values) > 1
            series *= len(values)
    assert series <= 100


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_only_histograms_have_buckets_and_they_rise(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))


def test_every_declared_metric_is_in_the_table_once() -> None:
    declared = [value for value in vars(metrics).values() if isinstance(value, Metric)]
    assert sorted(METRICS, key=lambda m: m.name) == sorted(declared, key=lambda m: m.name)
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_every_declared_metric_is_exposed_by_the_flow_or_the_scorer() -> None:
    root = Path(__file__).parents[2]
    sources = [*root.glob("flows/**/*.py"), *root.glob("serving/**/*.py")]
    code = "\n".join(source.read_text() for source in sources)
    names = [name for name, value in vars(metrics).items() if isinstance(value, Metric)]
    assert [name for name in names if not re.search(rf"metrics\.{name}\b", code)] == []
