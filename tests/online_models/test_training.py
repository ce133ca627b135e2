from __future__ import annotations

import pytest

from tests.builders import chains, learner


@pytest.mark.parametrize(("micro_batch", "steps"), [(16, 1), (32, 1), (64, 2), (128, 5)])
def test_the_ranker_takes_a_step_for_some_two_dozen_lists(micro_batch: int, steps: int) -> None:
    learning = learner(micro_batch=micro_batch)
    learning.learn_many(chains(1_000)[: 5 * micro_batch])
    before = int(learning.state.ranker.steps.array[0])
    lists = 0
    for example in chains(1_000)[5 * micro_batch : 6 * micro_batch]:
        lists += bool(example.query.history)
    learning.learn_many(chains(1_000)[5 * micro_batch : 6 * micro_batch])
    taken = int(learning.state.ranker.steps.array[0]) - before
    assert taken == steps
    assert 12 <= lists / taken <= 36
