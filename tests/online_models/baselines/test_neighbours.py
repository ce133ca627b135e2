"""Session neighbours: what they find, what they leave out, and how much they keep."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from online_models.baselines.neighbours import SessionNeighbours
from schemas.examples import Query
from tests.builders import DAY_MS, START_MS, Stream, chains

HOUR_MS = 3_600_000


def taught(stream: Stream, **options: int) -> SessionNeighbours:
    model = SessionNeighbours(**options)
    for example in stream.examples:
        model.learn_one(example)
    return model


def asked(*history: str, seen: tuple[str, ...] = (), unit: str = "me") -> Query:
    return Query("me", unit, history, seen)


def test_similar_units_vote_for_what_they_went_on_with() -> None:
    stream = Stream()
    for unit, items in {"s": "abc", "t": "abd", "u": "abd", "v": "xyz"}.items():
        for item in items:
            stream.add(unit, item)
    found = taught(stream).predict_one(asked("a", "b"), 4)
    assert set(found[:2]) == {"a", "b"}, "where repeats are allowed, they are proposed too"
    assert found[2:] == ["d", "c"]
    assert taught(stream).predict_one(asked("a", "b", seen=("a", "b")), 4) == ["d", "c"]


def test_newer_units_weigh_more() -> None:
    stream = Stream()
    for n, item in enumerate("bbbc"):
        stream.add(f"s{n}", "a", START_MS + (30 * DAY_MS if item == "c" else n))
        stream.add(f"s{n}", item, START_MS + (30 * DAY_MS if item == "c" else n))
    assert taught(stream).predict_one(asked("a", seen=("a",)), 2) == ["c", "b"]


def test_items_near_the_shared_one_weigh_more() -> None:
    stream = Stream()
    for item in ("a", "b", "c", "d"):
        stream.add("s", item)
    assert taught(stream).predict_one(asked("a", seen=("a",)), 3) == ["b", "c", "d"]
    assert taught(stream).predict_one(asked("d", seen=("d",)), 3) == ["c", "b", "a"]


def test_the_unit_that_asks_is_no_neighbour_of_itself() -> None:
    stream = Stream()
    for item in ("a", "b"):
        stream.add("me", item)
    assert taught(stream).predict_one(asked("a"), 5) == []


def test_what_is_not_allowed_makes_room_for_the_next() -> None:
    stream = Stream()
    for item in "abcd":
        stream.add("s", item)
    model = taught(stream)
    found = model.predict_one(asked("a", seen=("a",)), 2, allowed=lambda item: item != "b")
    assert found == ["c", "d"]


def test_prediction_comes_before_learning_and_changes_nothing() -> None:
    model = SessionNeighbours()
    assert model.predict_one(asked("a"), 5) == []
    stream = Stream(examples=chains(200))
    model = taught(stream)
    query = asked("i3", "i4")
    assert [model.predict_one(query, 9) for _ in range(3)] == [model.predict_one(query, 9)] * 3


def test_events_of_weight_0_teach_nothing() -> None:
    stream = Stream()
    stream.add("s", "a", weight=0)
    assert len(taught(stream)) == 0


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), max_size=200))
def test_memory_is_bounded(events: list[tuple[int, int]]) -> None:
    stream = Stream()
    for unit, item in events:
        stream.add(f"u{unit}", f"i{item}")
    model = taught(stream, capacity=5, per_item=3, unit_length=4)
    assert len(model) <= 5
    held = {key: set(unit.items) for key, unit in model._units.items()}
    assert all(len(unit.items) <= 4 for unit in model._units.values())
    for item, holders in model._holders.items():
        assert 0 < len(holders) <= 3
        assert len(set(holders)) == len(holders)
        assert all(item in held[key] for key in holders)
    model.predict_one(asked("i1", "i2"), 5)


@pytest.mark.parametrize("argument", ["k", "per_item", "capacity", "unit_length", "window"])
def test_bounds_of_arguments_are_told(argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument} is 0, it must be at least 1"):
        SessionNeighbours(**{argument: 0})
