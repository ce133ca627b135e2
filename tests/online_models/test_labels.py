"""Labelled slates reach the ranker: once, in the order of the source, and none that would harm."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models.labels import LARGEST_FEATURE, features_of, weight_of
from online_models.learner import Learner
from online_models.ranker_training import WHOLE
from schemas.examples import Feedback
from schemas.model_log import Describe, Publish
from tests.builders import chains, differences, learner, logged, recovered, update
from tests.online_models.shown import WIDTH, label


def with_features(values: Sequence[float], *, place: int = 0) -> Feedback:
    """Return a label of two items, of which one has these features."""
    whole = label()
    items = list(whole.items)
    items[place] = msgspec.structs.replace(items[place], features=array("f", values).tobytes())
    return msgspec.structs.replace(whole, items=tuple(items))


def taught(learning: Learner) -> int:
    """Return from how many lists the ranker has learnt, ``WHOLE`` of a step at most."""
    return int(learning.state.ranker.steps.array[0])


# ---- what a label is to the ranker -----------------------------------------------------------


def test_features_are_those_that_were_served() -> None:
    features = features_of(label(3, items=4), WIDTH)
    assert features is not None
    assert features.shape == (4, WIDTH)
    wanted = np.random.default_rng([0, 3]).random((4, WIDTH), dtype=np.float32)
    wanted[1, 0] += 1
    assert features.tolist() == wanted.tolist()


@pytest.mark.parametrize(
    "features",
    [
        [],
        [1.0] * (WIDTH - 1),
        [1.0] * (WIDTH + 1),
        [float("nan")] + [1.0] * (WIDTH - 1),
        [float("inf")] + [1.0] * (WIDTH - 1),
        [-2 * LARGEST_FEATURE] + [1.0] * (WIDTH - 1),
    ],
    ids=["none", "fewer", "more", "no number", "infinite", "absurd"],
)
@pytest.mark.parametrize("place", [0, 1])
def test_unfit_features_are_counted_and_not_learnt(features: list[float], place: int) -> None:
    learning = learner()
    learning.learn_many([], feedback=[with_features(features, place=place)])
    learning.close_micro_batch()
    assert learning.labels == {"unfit": 1}
    assert taught(learning) == 0
    assert learning.state.progress.feedback == 1


def test_a_label_without_anything_passed_over_is_counted_and_not_learnt() -> None:
    learning = learner()
    learning.learn_many([], feedback=[label(place=0, items=1)])
    learning.close_micro_batch()
    assert (learning.labels, taught(learning)) == ({"alone": 1}, 0)


@pytest.mark.parametrize(
    ("propensity", "weight"), [(1.0, 3.0), (0.5, 6.0), (0.1, 30.0), (0.01, 30.0), (5e-324, 30.0)]
)
def test_a_choice_counts_by_its_kind_and_against_its_propensity(
    propensity: float, weight: float
) -> None:
    one = label(weight=3.0)
    items = (one.items[0], msgspec.structs.replace(one.items[1], propensity=propensity))
    assert weight_of(msgspec.structs.replace(one, items=items)) == pytest.approx(weight)


@pytest.mark.parametrize(("factor", "weight"), [(1.0, 3.0), (0.5, 1.5), (4.0, 12.0), (99.0, 30.0)])
def test_a_choice_counts_more_where_few_look_and_tenfold_at_most(
    factor: float, weight: float
) -> None:
    assert weight_of(label(weight=3.0), factor) == pytest.approx(weight)


def test_the_ranker_learns_what_is_chosen() -> None:
    learning = learner()
    for epoch in range(40):
        begin = 100 * epoch
        labels = [label(begin + n, place=n % 5, items=5) for n in range(100)]
        learning.learn_many([], feedback=labels, until=begin + 100)
    right = 0
    for n in range(200):
        features = features_of(label(n, place=n % 5, items=5, seed=1), WIDTH)
        assert features is not None
        right += int(np.argmax(learning.state.ranker.scores(features))) == n % 5
    assert right > 190


# ---- in the order of the source --------------------------------------------------------------


def test_what_lies_below_the_mark_is_contained() -> None:
    learning = learner()
    labels = [label(n) for n in range(6)]
    learning.learn_many([], topic="a", feedback=labels[:4], until=4)
    learning.learn_many([], topic="a", feedback=labels, until=6)
    learning.learn_many([], topic="b", feedback=labels[:1], until=1)
    learning.close_micro_batch()
    learning.collect()
    assert learning.state.progress.feedback == 7
    assert learning.state.progress.marks == {"a": {0: 6}, "b": {0: 1}}


def test_many_labels_without_examples_are_cut_into_micro_batches_too() -> None:
    learning = learner(publish_interval_ms=0, micro_batch=16)
    publishes = logged(
        learning.learn_many([], feedback=[label(n // 2) for n in range(38)], until=99)
    )
    # Both labels of an event belong to one micro-batch: a mark can't part them.
    assert [publish.progress.marks[""][0] for publish in publishes] == [8, 16]
    assert [publish.progress.feedback for publish in publishes] == [16, 32]
    assert (learning.pending, taught(learning)) == (6, 2 * WHOLE)
    [last] = logged(learning.close_micro_batch())
    assert (last.progress.feedback, last.progress.marks) == (38, {"": {0: 99}})
    assert learning.pending == 0
    assert learning.state.progress.trained == 0


def test_labels_that_wait_are_told_as_what_waits() -> None:
    learning = learner()
    learning.learn_many([], feedback=[label()])
    with pytest.raises(ValueError, match="1 examples and labels wait: close the"):
        learning.collect()


def test_a_publish_amid_a_run_holds_the_words_that_stand_before_its_labels() -> None:
    learning = learner(publish_interval_ms=0, micro_batch=2)
    words = [(0, update("a")), (3, update("b"))]
    labels = [label(offset) for offset in (1, 2, 4, 5)]
    publishes = logged(learning.learn_many([], feedback=labels, updates=words, until=6))
    assert [publish.progress.marks[""][0] for publish in publishes] == [3, 6]
    told = [
        [entry.updates[0].item_id for entry in publish.entries if isinstance(entry, Describe)]
        for publish in publishes
    ]
    assert told == [["a"], ["b"]]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 59), st.integers(1, 3)), max_size=60),
    st.lists(st.integers(1, 59), max_size=5),
)
def test_runs_may_be_cut_anywhere(places: list[tuple[int, int]], cuts: list[int]) -> None:
    labels = sorted([label(n, items=i, place=0) for n, i in places], key=lambda one: one.offset)
    examples = chains(60)
    whole, cut = learner(), learner()
    whole.learn_many(examples, feedback=labels, until=60)
    borders = sorted({0, *cuts, 60})
    for begin, end in pairwise(borders):
        part = [one for one in labels if begin <= one.offset < end]
        cut.learn_many(examples[begin:end], feedback=part, until=end)
    for one in (whole, cut):
        one.close_micro_batch()
        one.collect()
    assert differences(whole.state, cut.state) == []
    assert whole.labels == cut.labels


@pytest.mark.parametrize("died_after", [37, 160, 290])
def test_a_crash_trains_on_no_label_twice_and_on_none_not_at_all(died_after: int) -> None:
    examples = chains(320)
    labels = [label(n) for n in range(320) if n % 3 == 0]
    stored: list[Publish] = []
    first = learner(publish_interval_ms=100)
    for n in range(died_after):
        own = [one for one in labels if one.offset == n]
        stored += first.learn_many([examples[n]], feedback=own, now_ms=n * 10)
    again = Learner(recovered(stored), micro_batch=16, publish_interval_ms=None)
    assert 0 < again.state.progress.feedback < len(labels)
    whole = learner()
    for one in (again, whole):
        one.learn_many(examples, feedback=labels)
        one.close_micro_batch()
        one.collect()
    assert again.state.progress.feedback == whole.state.progress.feedback == len(labels)
    whole.state.progress = again.state.progress  # but for the number of publishes
    assert differences(whole.state, again.state) == []
