from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from online_models.items import UNKNOWN, ItemTable
from schemas.errors import ModelLogBroken
from schemas.model_log import Admit, Describe, Evict, Sightings
from tests.builders import update


def table(*item_ids: str, **options: int) -> ItemTable:
    items = ItemTable(**options)
    for item_id in item_ids:
        items.apply(Admit((items.next_row(),), (item_id,)))
    return items


def rebuilt(items: ItemTable) -> ItemTable:
    other = ItemTable(capacity=items.capacity, admit_after=items.admit_after)
    for entry in items.snapshot():
        assert isinstance(entry, Admit | Evict | Describe | Sightings)
        other.apply(entry)
    return other


def test_items_find_their_rows_and_rows_their_items() -> None:
    items = table("a", "b")
    assert (items.row_of("b"), items.row_of("c"), items.id_of(0)) == (1, UNKNOWN, "a")
    assert items.rows_of(["b", "c", "a"]) == [1, 0]
    assert len(items) == 2


@pytest.mark.parametrize("row", [-1, 1, 2, 99])
def test_a_row_without_an_item_is_told(row: int) -> None:
    items = table("a", "b")
    items.apply(Evict((1,)))
    with pytest.raises(KeyError, match=f"row {row} holds no item"):
        items.id_of(row)


def test_a_row_that_holds_an_item_is_not_given_to_another() -> None:
    with pytest.raises(ModelLogBroken, match="row 0 is given to 'b', but holds another item"):
        table("a").apply(Admit((0,), ("b",)))


def test_freed_rows_are_given_again() -> None:
    items = table("a", "b", "c")
    items.apply(Evict((1,)))
    assert list(items.free) == [1]
    assert items.next_row() == 1
    items.apply(Admit((1,), ("d",)))
    assert (items.next_row(), items.row_of("b"), items.id_of(1)) == (3, UNKNOWN, "d")


def test_evicting_twice_is_evicting_once() -> None:
    items = table("a", "b")
    items.apply(Evict((1,)))
    items.apply(Evict((1,)))
    assert (list(items.free), items.unservable, len(items)) == ([1], 1, 1)


def test_those_not_seen_for_longest_are_stalest_and_ties_go_to_the_lower_row() -> None:
    items = table(*"abcd", capacity=256)
    items.last_seen_ms.grow(4)
    items.last_seen_ms.array[:] = [5, 2, 9, 2]
    assert items.stalest().tolist() == [1, 3]
    assert items.stalest(at_least=3).tolist() == [0, 1, 3]


def test_an_item_gets_its_row_at_the_threshold() -> None:
    items = ItemTable(admit_after=3)
    assert [items.sighted("a") for _ in range(3)] == [False, False, True]
    assert not items.sighted("a")


def test_waiting_items_are_bounded_and_those_waiting_longest_drop() -> None:
    items = ItemTable(capacity=2, admit_after=2)
    assert not any(items.sighted(item_id) for item_id in "abc")
    assert [items.sighted(item_id) for item_id in "bca"] == [True, True, False]


def test_changed_sightings_leave_once_and_in_their_order() -> None:
    items, other = (ItemTable(capacity=3, admit_after=3) for _ in range(2))
    for item_id in "abcbad":
        items.sighted(item_id)
    for entry in items.collect_waiting():
        assert isinstance(entry, Sightings)
        other.apply(entry)
    assert items.collect_waiting() == []
    assert list(other._waiting.items()) == list(items._waiting.items()) != []


@pytest.mark.parametrize(
    ("word", "servable"),
    [
        (update("a"), True),
        (update("a", in_stock=False), False),
        (update("a", deleted=True), False),
    ],
)
def test_the_catalogue_decides_what_may_be_served(word: object, servable: bool) -> None:
    before, after = ItemTable(), table("a")
    before.apply(Describe((word,)))  # type: ignore[arg-type]
    before.apply(Admit((0,), ("a",)))
    after.apply(Describe((word,)))  # type: ignore[arg-type]
    for items in (before, after):
        assert items.servable[0] == servable
        assert items.unservable == int(not servable)


def test_the_catalogues_newest_word_counts() -> None:
    items = table("a")
    items.apply(Describe((update("a", in_stock=False), update("a"))))
    assert items.servable[0]


def test_the_catalogue_is_bounded_and_keeps_its_words_on_items_with_rows() -> None:
    items = table("a", "b", capacity=2)
    items.apply(Describe((update("a", deleted=True), *(update(f"x{n}") for n in range(20)))))
    assert len(items.catalogue) == 4
    assert {"a", "x19"} <= items.catalogue.keys()
    assert not items.servable[0]


@given(st.lists(st.tuples(st.sampled_from("ae"), st.integers(0, 30)), max_size=60))
def test_free_rows_and_counts_agree_with_the_rows_after_anything(
    acts: list[tuple[str, int]],
) -> None:
    items = ItemTable(capacity=256)
    for act, n in acts:
        if act == "a" and items.row_of(f"i{n}") == UNKNOWN:
            items.apply(Admit((items.next_row(),), (f"i{n}",)))
        elif act == "e" and n < items.size:
            items.apply(Evict((n,)))
    used = items.rows().tolist()
    assert sorted([*used, *items.free]) == list(range(items.size))
    assert items.unservable == np.count_nonzero(~items.servable[: items.size])
    assert items.unservable == len(items.free)
    other = rebuilt(items)
    assert (other.size, list(other.free)) == (items.size, list(items.free))
    assert {other.id_of(row): row for row in used} == {items.id_of(row): row for row in used}


@pytest.mark.parametrize("argument", ["capacity", "admit_after"])
def test_bounds_of_arguments_are_told(argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument} is 0, it must be at least 1"):
        ItemTable(**{argument: 0})
