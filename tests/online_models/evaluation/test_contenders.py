"""What else ranks the same targets: sources alone and baselines, and none of them too early."""

from __future__ import annotations

import pytest

from online_models.baselines.neighbours import SessionNeighbours
from online_models.evaluation.contenders import contender_names, contenders_of
from online_models.learner import Learner
from online_models.prequential import Evaluator
from online_models.retrieval import SOURCES
from online_models.state import ModelState
from tests.builders import SMALL, Stream, chains, update


def evaluated(stream: Stream, *names: str, out_of_stock: str = "") -> Evaluator:
    state = ModelState(SMALL)
    evaluator = Evaluator(state, warm_up=0.0, contenders=contenders_of(names, state.items))
    learning = Learner(state, observer=evaluator, micro_batch=16, publish_interval_ms=None)
    if out_of_stock:
        learning.learn_many((), updates=[(0, update(out_of_stock, in_stock=False))], until=0)
    learning.learn_many(stream.examples)
    return evaluator


def test_a_baseline_is_asked_before_it_learns() -> None:
    stream = Stream(examples=chains(300))
    ranks = evaluated(stream, "neighbours").predictions.ranks("neighbours").tolist()
    model, wanted = SessionNeighbours(), []
    for example in stream.examples:
        if not example.opens_unit:
            found = model.predict_one(example.query, 20)
            wanted.append(1 + found.index(example.item_id) if example.item_id in found else 0)
        model.learn_one(example)
    assert ranks == wanted
    assert sum(0 < rank <= 5 for rank in ranks) > 50


def test_a_baseline_recommends_nothing_that_must_not_be_served() -> None:
    stream = Stream()
    for unit in "stuv":
        for item in "ab":
            stream.add(unit, item)
    assert evaluated(stream, "neighbours").predictions.ranks("neighbours").tolist()[1:] == [2] * 3
    gone = evaluated(stream, "neighbours", out_of_stock="b")
    assert gone.predictions.ranks("neighbours").tolist() == [0] * 4


def test_whoever_is_compared_with_changes_no_other_figure() -> None:
    stream = Stream(examples=chains(300))
    few, many = (evaluated(stream, *names).report() for names in (("rules",), contender_names()))
    assert list(many["by_source"]) == [*SOURCES, "neighbours"]
    assert many["by_source"]["rules"] == few["by_source"]["rules"]
    for name in ("metrics", "slates", "calibration", "intervals_95"):
        assert many[name] == few[name]
    assert many["compared"]["rules"] == few["compared"]["rules"]


def test_each_is_taken_once() -> None:
    items = ModelState(SMALL).items
    assert [c.name for c in contenders_of(["rules", "neighbours", "rules"], items)] == [
        "rules",
        "neighbours",
    ]


def test_a_name_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"nothing called 'rule' to compare with: take pop.*neigh"):
        contenders_of(["rule"], ModelState(SMALL).items)
