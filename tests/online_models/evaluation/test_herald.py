"""The catalogue is heard of in time."""

from __future__ import annotations

from online_models.evaluation.herald import Herald
from online_models.prequential import Evaluator
from schemas.events import ItemUpdate
from tests.builders import START_MS, chains, learner


def test_no_item_is_known_before_it_was_there() -> None:
    learning = learner()
    said = [
        ItemUpdate(item_id="late", categories=("a",), created_ms=START_MS + 20_000),
        ItemUpdate(item_id="later", categories=("a",), time_ms=START_MS + 30_000),
        ItemUpdate(item_id="first", categories=("a",)),
    ]
    evaluator = Evaluator(learning.state)
    learning.observer = Herald(learning, said, evaluator)
    known, examples = [], chains(40)
    for example in examples:
        learning.learn_many([example])
        known.append([one.item_id for one in said if learning.state.items.row_of(one.item_id) >= 0])
    assert known[19] == ["first"]
    assert known[20] == ["late", "first"]
    assert known[29] == ["late", "first"]
    assert known[30] == ["late", "later", "first"]
    assert evaluator.events == 40
    assert evaluator.report()["scored"] > 0
