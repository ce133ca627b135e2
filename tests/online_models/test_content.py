"""Likeness by words: what it counts, what it keeps, and what it costs where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models.agreed import UNTRIED
from online_models.content import HELD, ITEMS, Content
from online_models.content_source import PEERS, borrow
from online_models.fields import bucket_of
from schemas.model_log import Put

ROWS = 40
WORDS = [f"category={name}" for name in "abcdefgh"]


def content() -> Content:
    made = Content()
    made.words.grow(ROWS)
    return made


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def filled(words_by_row: dict[int, tuple[str, ...]]) -> Content:
    made = content()
    for row, words in words_by_row.items():
        made.put(row, words)
    return made


SHELF = {0: ("x", "red"), 1: ("x", "red"), 2: ("x", "blue"), 3: ("x", "blue"), 4: ("x",), 5: ("y",)}


def test_who_has_the_words_of_the_history_is_most_alike() -> None:
    made = filled(SHELF)
    profile = made.profile(rows(0))
    assert profile is not None
    likeness = made.likeness(rows(1, 2, 5), profile)
    assert likeness[0] > likeness[1] > likeness[2] == 0


def test_a_rare_word_counts_more_than_a_frequent_one() -> None:
    made = filled({**SHELF, 6: ("red", "y"), 7: ("blue", "x")})
    profile = made.profile(rows(0))
    assert profile is not None
    assert profile.worth[bucket_of("red")] > profile.worth[bucket_of("x")]


def test_words_that_no_other_item_has_change_nothing() -> None:
    plain, odd = filled(SHELF), filled({**SHELF, 1: ("x", "red", "unheard", "of")})
    (one, other) = (made.profile(rows(0)) for made in (plain, odd))
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(plain.likeness(rows(1), one), odd.likeness(rows(1), other))


@pytest.mark.parametrize("count", range(1, 9))
def test_an_items_likeness_does_not_depend_on_who_else_is_asked_for(count: int) -> None:
    words = [f"w{n}" for n in range(30)]
    made = filled({row: tuple(words[row : row + 13]) for row in range(12)})
    profile = made.profile(rows(*range(5)))
    assert profile is not None
    together = made.likeness(rows(*range(12)), profile)
    for row in range(12 - count):
        some = made.likeness(np.arange(row, row + count), profile)
        np.testing.assert_array_equal(some, together[row : row + count])


def test_newer_items_of_a_history_count_more() -> None:
    made = filled(SHELF)
    profile = made.profile(rows(0, 2))
    assert profile is not None
    assert profile.worth[bucket_of("red")] > profile.worth[bucket_of("blue")] > 0


def test_without_words_there_is_no_profile() -> None:
    assert content().profile(rows(0)) is None
    made = filled(SHELF)
    assert made.profile(rows()) is None
    assert made.profile(rows(9)) is None


def test_the_newest_items_of_a_word_are_kept_once_each() -> None:
    made = filled(dict.fromkeys(range(ROWS), ("x", "y")))
    made.put(ROWS - 1, ("x",))
    made.put(ROWS - 1, ("x", "y"))
    profile = made.profile(rows(0))
    assert profile is not None
    assert made.newest(profile).tolist() == list(range(ROWS - HELD, ROWS))


words_of_rows = st.lists(
    st.tuples(st.integers(0, ROWS - 1), st.lists(st.sampled_from(WORDS), max_size=4)), max_size=60
)


@settings(max_examples=50, deadline=None)
@given(words_of_rows, st.sets(st.integers(0, ROWS - 1), max_size=9))
def test_carriers_are_those_who_have_the_word_now(
    puts: list[tuple[int, list[str]]], leaving: set[int]
) -> None:
    made, now = content(), dict[int, set[str]]()
    for row, words in puts:
        made.put(row, words)
        now[row] = set(words)
    gone = rows(*sorted(leaving))
    made.forget(gone)
    made.words.reset(gone)
    held = [words for row, words in now.items() if row not in leaving]
    for word in WORDS:
        assert made.carriers.array[bucket_of(word)] == sum(word in words for words in held)
    assert made.carriers.array[ITEMS] == sum(bool(words) for words in held)
    assert made.used == any(held)


@settings(max_examples=20, deadline=None)
@given(words_of_rows)
def test_snapshots_hold_what_was_written_and_nothing_else(
    puts: list[tuple[int, list[str]]],
) -> None:
    made, copy = filled({row: tuple(words) for row, words in puts}), content()
    for one, other in zip(made.tables, copy.tables, strict=True):
        entries: list[Put] = list(one.snapshot(ROWS))
        assert sum(len(entry.index) for entry in entries) <= 8 * (60 * 4 + 9)
        for entry in entries:
            other.put(entry)
        np.testing.assert_array_equal(one.array, other.array)


def test_what_the_log_says_is_the_same_as_what_was_put() -> None:
    made, copy = filled(SHELF), content()
    for one, other in zip(made.tables, copy.tables, strict=True):
        for entry in one.collect():
            other.put(entry)
    made.put(0, ("blue",))
    made.put(5, ())
    for one, other in zip(made.tables, copy.tables, strict=True):
        for entry in one.collect():
            other.put(entry)
        np.testing.assert_array_equal(one.array, other.array)


def test_an_untried_item_borrows_the_counts_of_those_as_like() -> None:
    count = 3 * PEERS
    logs = np.repeat(np.arange(count, dtype=np.float32)[:, None], 2, axis=1)
    told = np.zeros((count, 3), dtype=np.float32)
    told[:, 0] = np.arange(count)
    told[-1] = (PEERS + 0.5, 0, 1)
    told[0, UNTRIED] = 1
    counts = np.exp(logs)
    assert sorted(borrow(counts, told).tolist()) == [0, count - 1]
    logs = np.log(counts)
    assert logs[-1].tolist() == pytest.approx([PEERS + 0.5] * 2)
    assert logs[0].tolist() == pytest.approx([(PEERS + 1) / 2] * 2)
    assert logs[5].tolist() == pytest.approx([5, 5])


def test_where_all_or_none_are_untried_nothing_is_borrowed() -> None:
    for untried in (0.0, 1.0):
        logs, told = np.ones((4, 2), dtype=np.float32), np.zeros((4, 3), dtype=np.float32)
        told[:, UNTRIED] = untried
        assert not len(borrow(logs, told))
        assert (logs == 1).all()
