"""Every prediction falls into the segments that its user, its unit and its target belong to."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from online_models.evaluation.census import Census
from online_models.evaluation.segments import segments
from online_models.learner import Learner
from online_models.prequential import Evaluator
from online_models.state import ModelState
from tests.builders import SMALL, START_MS, Stream, random_stream

HOUR_MS = 3_600_000
USERS = ("user_first_event", "user_under_5", "user_5_to_50", "user_over_50")
AGES = ("item_unseen", "item_under_1_hour", "item_under_1_day", "item_older")


FIRST_SLATES = ("first_slate_returning", "first_slate_stranger")


def evaluated(stream: Stream, *, unit: str = "user") -> Evaluator:
    state = ModelState(SMALL)
    evaluator = Evaluator(state, unit=unit, warm_up=0.0)
    learning = Learner(state, observer=evaluator, micro_batch=16, publish_interval_ms=None)
    learning.learn_many(stream.examples)
    return evaluator


def masks(evaluator: Evaluator) -> dict[str, list[int]]:
    found = segments(evaluator.predictions, evaluator.census)
    return {name: np.flatnonzero(mask).tolist() for name, mask in found.items()}


def test_users_are_told_apart_by_what_they_did_before() -> None:
    stream = Stream()
    for n in range(60):
        stream.add("ann", f"i{n % 3}")
    found = masks(evaluated(stream))
    assert found["user_first_event"] == [0]
    assert found["user_under_5"] == [1, 2, 3, 4]
    assert found["user_5_to_50"] == list(range(5, 51))
    assert found["user_over_50"] == list(range(51, 60))
    assert found["unit_at_most_1"] == [0, 1]


def test_sessions_without_a_user_are_a_segment() -> None:
    stream = Stream()
    for n in range(6):
        stream.add("ann" if n % 3 else "anonymous:s1", f"i{n}")
    assert masks(evaluated(stream))["user_anonymous"] == [0, 3]


def test_targets_are_told_apart_by_how_long_they_have_been_known() -> None:
    stream = Stream()
    for hours in (0, 0.5, 1, 23, 24):
        stream.add("ann", "tea", START_MS + int(hours * HOUR_MS))
    found = masks(evaluated(stream))
    assert [found[name] for name in AGES] == [[0], [1], [2, 3], [4]]


def test_the_head_is_the_fifth_of_the_items_that_come_most() -> None:
    stream = Stream()
    for n in range(30):
        stream.add(f"u{n}", "ababacadae"[n % 10])
    found = masks(evaluated(stream))
    assert found["item_head"] == [n for n in range(30) if n % 2 == 0]
    assert found["item_tail"] == [n for n in range(30) if n % 2]


@pytest.mark.parametrize("unit", ["session", "user"])
def test_each_prediction_is_in_one_segment_of_each_kind(unit: str) -> None:
    evaluator = evaluated(Stream(examples=random_stream(400, items=80)), unit=unit)
    found = segments(evaluator.predictions, evaluator.census)
    for kind in (USERS, AGES, ("item_head", "item_tail")):
        np.testing.assert_array_equal(sum(found[name].astype(int) for name in kind), 1)
    told = evaluator.report()["segments"]
    assert sum(told[name]["count"] for name in USERS) == len(evaluator.predictions)
    openings = [told.pop(name)["count"] for name in FIRST_SLATES]
    assert sum(openings) == len(evaluator.openings) == (20 if unit == "session" else 0)
    for name, figures in told.items():
        assert figures["count"] == np.count_nonzero(found[name])
        assert figures["by_source"]["rules"]["count"] == figures["count"]


def test_what_the_model_forgets_the_census_still_counts() -> None:
    stream = Stream(examples=random_stream(3_000, items=700))
    evaluator = evaluated(stream)
    assert evaluator.state.items.size <= SMALL.capacity < len(evaluator.census.counts())
    wanted: dict[str, int] = {}
    for example in stream.examples[:-1]:  # the last one counts when another comes
        wanted[example.item_id] = wanted.get(example.item_id, 0) + 1
    numbers = {item: evaluator.census.number_of(item) for item in wanted}
    counts = evaluator.census.counts()
    assert {item: counts[number] for item, number in numbers.items()} == wanted
    rows = evaluator.state.items.rows()
    named = [evaluator.census.number_of(evaluator.state.items.id_of(row)) for row in rows.tolist()]
    assert evaluator.census.numbers_of(rows).tolist() == named


def test_items_of_a_stored_model_are_counted_from_nothing() -> None:
    learnt = evaluated(Stream(examples=random_stream(100, items=30)))
    census = Census(learnt.state.items)
    rows = learnt.state.items.rows()
    numbers = census.numbers_of(rows)
    assert sorted(numbers.tolist()) == list(range(len(rows)))
    assert census.novelty_bits(numbers) == 0.0
    assert np.isnan(census.novelty_bits(numbers[:0]))
    assert census.age_ms(learnt.state.items.id_of(0), START_MS) == -1


def test_first_slates_of_sessions_are_told_apart_by_whether_the_user_is_known() -> None:
    stream = Stream()
    for session, user in enumerate(["ann", "bob", "ann", "ann"]):
        for item in "xyz":
            example = stream.add(f"{user}{session}", item)
            query = msgspec.structs.replace(example.query, user_id=user)
            stream.examples[-1] = msgspec.structs.replace(example, query=query)
    evaluator = evaluated(stream, unit="session")
    told = evaluator.report()["segments"]
    returning, stranger = (told[name] for name in FIRST_SLATES)
    assert (returning["count"], stranger["count"]) == (2, 2)
    assert returning["hr@20"] == returning["by_source"]["popularity"]["hr@20"] == 1.0
    assert stranger["hr@20"] == 0.5, "bob's: before ann's first, there is nothing to show"
    assert len(evaluator.predictions) == 8


def test_a_user_whom_only_a_stored_state_knows_is_no_stranger() -> None:
    stream = Stream()
    stream.add("ann", "tea", earlier=("cup", "pot"))
    stream.add("bob", "tea")
    evaluator = evaluated(stream, unit="session")
    told = evaluator.report()["segments"]
    assert [told[name]["count"] for name in FIRST_SLATES] == [1, 1]
    assert evaluator.openings.column("user_events").tolist() == [2, 0]
