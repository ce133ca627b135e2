"""Tokens come back as the position that they were made of; marks only rise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.positions import Marks, Position, advance, lower, mark_of

positions = st.builds(
    Position,
    topic=st.text(st.characters(codec="utf-8"), max_size=40),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
)


@given(positions)
def test_a_token_round_trips_and_is_printable(position: Position) -> None:
    token = position.token()
    assert Position.of_token(token) == position
    assert token.isascii()
    assert token.isprintable()
    assert " " not in token


@pytest.mark.parametrize("token", ["", "x", "not a token", "äöü", "AAAA", "k6ZldmVudHMA", "a" * 99])
def test_what_is_no_token_is_told(token: str) -> None:
    with pytest.raises(ValueError, match="is not a position token of Track: ") as caught:
        Position.of_token(token)
    assert repr(token[:80]) in str(caught.value)


def test_positions_are_ordered_within_a_partition() -> None:
    assert Position("t", 0, 5) < Position("t", 0, 6)


def test_a_mark_that_was_never_set_is_zero() -> None:
    assert mark_of({}, "t", 0) == 0
    assert mark_of({"t": {1: 5}}, "t", 0) == 0
    assert mark_of({"t": {1: 5}}, "t", 1) == 5


@given(st.lists(st.integers(0, 100), min_size=1))
def test_a_mark_never_falls(untils: list[int]) -> None:
    marks: Marks = {}
    for until in untils:
        advance(marks, "t", 0, until)
    assert marks == {"t": {0: max(untils)}}


def test_below_the_lower_marks_both_have_everything() -> None:
    one: Marks = {"a": {0: 5, 1: 9}, "b": {0: 1}}
    other: Marks = {"a": {0: 7, 1: 2, 2: 3}, "c": {0: 1}}
    assert lower(one, other) == {"a": {0: 5, 1: 2}}
