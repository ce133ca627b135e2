from __future__ import annotations

import msgspec
import pytest

from online_models.learner import Learner
from online_models.ranker_training import WHOLE
from online_models.state import ModelState
from schemas.examples import Example
from schemas.model_log import Describe, Publish, is_base
from tests.builders import (
    SMALL,
    START_MS,
    Stream,
    chains,
    contents,
    differences,
    learn,
    learner,
    logged,
    over_the_wire,
    random_stream,
    recovered,
    small,
    update,
)


def test_what_was_absorbed_is_skipped_for_each_source_apart() -> None:
    learning, examples = learner(), random_stream(40, items=10)
    learning.learn_many(examples[:20], topic="a", partition=0)
    learning.learn_many(examples[:30], topic="a", partition=0)
    assert learning.state.progress.absorbed == 30
    learning.learn_many(examples[:5], topic="a", partition=1)
    learning.learn_many(examples[:5], topic="b", partition=0)
    assert learning.state.progress.absorbed == 40
    learning.close_micro_batch()
    learning.collect()
    assert learning.state.progress.marks == {"a": {0: 30, 1: 5}, "b": {0: 5}}


def test_a_runs_end_moves_the_mark_past_its_last_example() -> None:
    learning = learner()
    learning.learn_many([], topic="a", until=17)
    learning.learn_many([], topic="a", until=12)
    learning.collect()
    assert learning.state.progress.marks == {"a": {0: 17}}


def test_publishes_are_cut_at_micro_batches_and_mark_exactly_what_was_trained() -> None:
    learning = learner(publish_interval_ms=0, micro_batch=16)
    publishes = logged(learning.learn_many(random_stream(100, items=20), until=500))
    assert [p.progress.trained for p in publishes] == [16, 32, 48, 64, 80, 96]
    assert [p.progress.marks[""][0] for p in publishes] == [16, 32, 48, 64, 80, 96]
    assert learning.pending == 4
    (last,) = logged(learning.close_micro_batch())
    assert (last.progress.trained, last.progress.marks) == (100, {"": {0: 500}})
    assert learning.pending == 0


def test_publishes_keep_their_distance_in_time() -> None:
    learning, examples = learner(publish_interval_ms=250), random_stream(96, items=20)
    cut = [
        len(logged(learning.learn_many(examples[n : n + 16], now_ms=1_000 + 100 * n // 16)))
        for n in range(0, 96, 16)
    ]
    assert cut == [1, 0, 0, 1, 0, 0]


def test_nothing_new_publishes_nothing() -> None:
    learning = learner(publish_interval_ms=250)
    learning.learn_many(random_stream(16, items=5), now_ms=1_000)
    assert learning.close_micro_batch(9_000) == []
    assert learning.learn_many([], now_ms=9_000) == []


def test_a_mark_alone_is_published_too() -> None:
    learning = learner(publish_interval_ms=250)
    (publish,) = logged(learning.learn_many([], until=9, now_ms=1_000))
    assert publish.progress.marks == {"": {0: 9}}


def test_without_an_interval_only_collecting_publishes() -> None:
    learning = learner(publish_interval_ms=None)
    assert learning.learn_many(random_stream(64, items=9), now_ms=10**12) == []
    assert learning.close_micro_batch(2 * 10**12) == []
    assert len(logged(learning.collect())) == 1


def test_collecting_amid_a_micro_batch_is_refused() -> None:
    learning = learner()
    learning.learn_many(random_stream(3, items=9))
    with pytest.raises(ValueError, match="3 examples and labels wait: close the"):
        learning.collect()


def test_a_base_comes_first_and_again_when_the_log_has_grown() -> None:
    learning, bases = learner(base_growth=0.05), []
    for n in range(40):
        learning.learn_many(chains(640)[n * 16 : n * 16 + 16])
        publishes = learning.collect()
        assert not is_base(publishes[-1])
        bases.append(is_base(publishes[0]))
        assert publishes[0].progress == publishes[-1].progress
    assert bases[0]
    assert 2 <= sum(bases) < 20


def test_a_base_of_an_empty_model_can_be_read() -> None:
    learning = learner()
    learning.learn_many([], until=3)
    base, _ = learning.collect()
    fresh = ModelState()
    fresh.apply_publish(over_the_wire(base))
    assert differences(learning.state, fresh) == []


def test_catalogue_words_take_effect_in_the_order_of_the_source() -> None:
    learning, examples = learner(), Stream()
    for offset, item in [(0, "a"), (2, "a"), (5, "a")]:
        examples.add("s", item, offset=offset)
    words = [(1, update("a", in_stock=False)), (4, update("a")), (7, update("b"))]
    learning.learn_many(examples.examples, updates=words, until=8)
    learning.learn_many([], updates=words, until=8)
    learning.close_micro_batch()
    (publish,) = logged(learning.collect())
    described = [e.updates[0] for e in publish.entries if isinstance(e, Describe)]
    assert described == [word for _, word in words]
    assert list(learning.state.items.catalogue) == ["a", "b"]


@pytest.mark.parametrize("died_after", [37, 160, 290])
def test_a_crash_costs_nothing_that_was_marked(died_after: int) -> None:
    examples = [*chains(150), *[_at(e, 150) for e in random_stream(170, items=300)]]
    stored: list[Publish] = []
    first = learner(publish_interval_ms=100)
    for n in range(died_after):
        stored += first.learn_many([examples[n]], now_ms=n * 10)
    state = recovered(stored)
    again = Learner(state, micro_batch=16, publish_interval_ms=None)
    again.learn_many(examples)
    again.close_micro_batch()
    whole = learn(examples)
    assert again.state.progress.trained == whole.state.progress.trained == 320
    whole.collect()
    again.collect()
    whole.state.progress = again.state.progress  # but for the number of publishes
    assert differences(whole.state, again.state) == []


def _at(example: Example, by: int) -> Example:
    time_ms = example.time_ms + 200_000
    return msgspec.structs.replace(example, offset=example.offset + by, time_ms=time_ms)


def test_the_ranker_learns_from_every_unit_first_and_later_from_a_sample() -> None:
    steps = [
        int(learn(chains(320), all_lists_until=n, lists_every=10**9).state.ranker.steps.array[0])
        for n in (0, 160, 1_000)
    ]
    assert steps[0] == 0
    assert 0 < steps[1] < steps[2]


def test_the_same_units_are_sampled_in_any_process() -> None:
    examples = chains(320)
    one = learn(examples, all_lists_until=0, lists_every=3)
    assert contents(one.state) == contents(learn(examples, all_lists_until=0, lists_every=3).state)
    assert one.state.ranker.steps.array[0] > 0


def test_a_stream_that_begins_at_time_0_is_learnt() -> None:
    stream = Stream()
    for n in range(20):
        stream.add("s", f"i{n % 5}", 0 if n < 5 else START_MS + n)
    state = learn(stream.examples).state
    assert state.progress.time_ms == START_MS + 19
    assert len(state.items) == 5


@pytest.mark.parametrize("size", [0, 129])
def test_bounds_of_the_micro_batch_are_told(size: int) -> None:
    with pytest.raises(ValueError, match=rf"micro_batch is {size}, it must lie within 1 .*\(128\)"):
        Learner(ModelState(SMALL), micro_batch=size)


def test_bounds_of_the_sample_are_told() -> None:
    with pytest.raises(ValueError, match="lists_every is 0, it must be at least 1"):
        Learner(ModelState(small()), lists_every=0)


def test_bounds_of_the_hurried_sample_are_told() -> None:
    with pytest.raises(ValueError, match="hurried_steps is 0, it must be at least 1"):
        Learner(ModelState(small()), hurried_steps=0)


def steps_of(*, young: bool, hurries: bool) -> tuple[int, int]:
    """Return for how many lists the ranker took steps over a stream, and how many were left out."""
    learning = learner(
        lists_every=2, hurried_steps=4, all_lists_until=10**9 if young else 0, micro_batch=32
    )
    learning.hurry(hurries)
    assert learning.hurried == hurries
    learning.learn_many(chains(640))
    return int(learning.state.ranker.steps.array[0]), learning.lists_skipped


def test_a_learner_that_is_behind_takes_fewer_lists_and_counts_those_it_leaves() -> None:
    usual, skipped = steps_of(young=False, hurries=False)
    assert (usual > 10 * WHOLE, skipped) == (True, 0)
    steps, skipped = steps_of(young=False, hurries=True)
    assert (0 < steps < usual / 2, skipped > 100) == (True, True)
    young_steps, young_skipped = steps_of(young=True, hurries=True)
    assert (young_steps, young_skipped > skipped + 100) == (steps, True)


def test_a_learner_that_has_caught_up_takes_as_many_as_before() -> None:
    learning = learner(lists_every=2, hurried_steps=10**9, all_lists_until=0)
    learning.hurry(True)
    learning.learn_many(chains(640)[:320])
    learning.hurry(False)
    skipped = learning.lists_skipped
    learning.learn_many(chains(640)[320:])
    assert learning.lists_skipped == skipped > 0
    assert learning.state.ranker.steps.array[0] > 0
