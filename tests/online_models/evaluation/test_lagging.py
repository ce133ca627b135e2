"""A lagging model is the learner's own, as it was at the last full interval."""

from __future__ import annotations

import numpy as np
import pytest

from online_models.evaluation.lagging import NO_MODEL, Feed, Lagging
from online_models.learner import Learner
from online_models.prequential import Evaluator
from online_models.state import ModelState
from schemas.examples import Example
from schemas.model_log import is_base
from tests.builders import (
    SMALL,
    START_MS,
    Stream,
    chains,
    contents,
    differences,
    learn,
    learner,
    over_the_wire,
    random_stream,
    small,
)

MINUTE_MS = 60_000


def learner_with(
    intervals_ms: list[int], exact_up_to: int = 20_000
) -> tuple[Learner, list[Lagging], Evaluator]:
    state = ModelState(small(exact_up_to=exact_up_to))
    learning = Learner(state, micro_batch=16, publish_interval_ms=None)
    feed = Feed(state, learning.drain)
    lagging = [Lagging(f"{ms}", ms, feed) for ms in intervals_ms]
    learning.observer = Evaluator(state, warm_up=0.0, contenders=lagging)
    return learning, lagging, learning.observer


def agrees(learning: Learner, replica: ModelState) -> bool:
    return not set(differences(learning.state, replica)) - {"waiting"}


@pytest.mark.parametrize(("seed", "items", "exact_up_to"), [(0, 40, 20_000), (1, 600, 30)])
def test_a_sync_makes_any_replica_equal_to_the_learner_to_the_bit(
    seed: int, items: int, exact_up_to: int
) -> None:
    """Through evictions, landmarks that move, and graphs that are rebuilt."""
    learning, lagging, evaluator = learner_with([1, 7 * MINUTE_MS, 301 * MINUTE_MS], exact_up_to)
    evaluator.score_every = 10
    learning.learn_many(random_stream(700, items=items, seed=seed))
    for one in lagging:
        one._feed.bring(one.state, one._waiting)
        assert agrees(learning, one.state)


def test_a_replica_takes_over_at_the_end_of_an_interval_what_came_before() -> None:
    stream = Stream()
    for n in range(40):
        stream.add(f"s{n // 4}", f"i{n % 4}", START_MS + n * 15_000)
    learning, [minute], _ = learner_with([MINUTE_MS])
    knew = []
    for example in stream.examples:
        learning.learn_many([example])
        knew.append(minute.state.progress.absorbed)
    # The stream begins 20 s after a full minute: its fourth event is the first of the next one.
    assert START_MS % MINUTE_MS == 20_000
    assert knew == [0] * 3 + [3 + 4 * (n // 4) for n in range(37)]


def test_before_the_first_sync_there_is_no_model() -> None:
    learning, _, evaluator = learner_with([10**9])
    learning.learn_many(chains(60))
    assert set(evaluator.predictions.ranks(f"{10**9}").tolist()) == {NO_MODEL}


def test_a_model_that_lags_by_next_to_nothing_ranks_as_the_learner_does() -> None:
    stream = chains(400, step_ms=1_000)
    learning, _, evaluator = learner_with([1])
    learning.learn_many(stream)
    ranks, own = evaluator.predictions.ranks("1"), evaluator.predictions.column("rank")
    synced = ranks != NO_MODEL
    assert synced.mean() > 0.9
    np.testing.assert_array_equal(ranks[synced], own[synced])


def test_lagging_costs_hits_where_news_come_in() -> None:
    stream, rng = Stream(), np.random.default_rng(0)
    for n in range(600):  # what everybody reads changes every ten minutes
        for item in (f"a{n // 60}", f"b{n // 60}"):
            stream.add(f"s{n}", item, START_MS + n * 10_000 + int(rng.integers(1_000)))
    learning, _, evaluator = learner_with([MINUTE_MS, 30 * MINUTE_MS])
    learning.learn_many(stream.examples)
    minute, half_hour = (
        (evaluator.predictions.ranks(f"{ms}") > 0).mean() for ms in (MINUTE_MS, 30 * MINUTE_MS)
    )
    assert (evaluator.predictions.column("rank") > 0).mean() >= minute > half_hour + 0.2


def test_being_followed_changes_nothing_that_is_learnt() -> None:
    examples = random_stream(400, items=80)
    learning, _, _ = learner_with([1, MINUTE_MS])
    learning.learn_many(examples)
    learning.close_micro_batch()
    assert contents(learning.state) == contents(learn(examples).state)


def test_one_event_with_a_wrong_clock_does_not_end_all_syncs() -> None:
    learning, [minute], _ = learner_with([MINUTE_MS])
    stream = Stream()
    for n in range(20):
        stream.add("s", "a", START_MS + n * MINUTE_MS)
    odd = Stream()
    odd.add("t", "b", START_MS + 10**11)
    examples: list[Example] = [*stream.examples[:10], *odd.examples, *stream.examples[10:]]
    for example in examples:
        learning.learn_many([example], until=0, topic=f"{id(example)}")
    assert minute.state.progress.absorbed == 20


def test_bounds_of_arguments_are_told() -> None:
    learning, _, _ = learner_with([])
    with pytest.raises(ValueError, match="interval_ms is 0, it must be at least 1"):
        Lagging("0", 0, Feed(learning.state, learning.drain))


def test_shapes_are_those_of_the_learner() -> None:
    _, [lagging], _ = learner_with([1])
    assert lagging.state.config == SMALL


def test_what_was_drained_is_in_the_next_base() -> None:
    learning = learner()
    learning.learn_many(random_stream(200, items=60))
    assert learning.drain()
    assert learning.pending
    learning.learn_many(random_stream(300, items=60)[200:])
    learning.close_micro_batch()
    [base, _] = learning.collect()
    assert is_base(base)
    state = ModelState()
    state.apply_publish(over_the_wire(base))
    assert not differences(learning.state, state)
