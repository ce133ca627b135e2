"""Columns of integers and of ids survive their way through bytes, and take few of them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import columns
from schemas.columns import Ids, Reader, Writer, from_steps, joined, parted, steps

_numbers = st.integers(0, 10**6).map(str)
_ids = st.one_of(
    _numbers,
    st.integers(0, 999).map(lambda n: f"item-{n:06d}"),
    st.integers(0, 999).map(lambda n: f"i{n}"),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12),
    st.sampled_from(["0", "00", "007", "\u00b2", "\u0664", "a0", "a", "-", "1-1"]),
)


def through(*values: list[int]) -> list[list[int]]:
    writer = Writer()
    for column in values:
        writer.integers(column)
    reader = Reader(b"".join(writer.parts), writer.shapes)
    return [reader.integers(len(column)) for column in values]


def size_of(values: list[int]) -> int:
    writer = Writer()
    writer.integers(values)
    return len(b"".join(writer.parts))


@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=60),
    st.lists(st.integers(-(2**62), 2**62), max_size=60),
    st.lists(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2**40]), max_size=60),
)
def test_integers_of_any_size_survive(large: list[int], signed: list[int], few: list[int]) -> None:
    assert through(large, signed, few) == [large, signed, few]


@pytest.mark.parametrize(
    ("values", "most_bytes"),
    [
        ([0] * 50, 0),
        ([7] * 50, 50),
        ([0, 0, 1, 0, 0] * 10, 8),
        ([0, 3, 0, 0, 200] * 10, 27),
        ([*range(250, 300)], 100),
        ([5, 2**20 + 5] + [9] * 48, 50 + 8 + 8),
        ([-1, 1] * 25, 50),
    ],
)
def test_what_values_have_in_common_is_not_kept(values: list[int], most_bytes: int) -> None:
    assert size_of(values) <= most_bytes
    assert through(values) == [values]


@given(st.lists(st.integers(0, 2**40 - 1), max_size=40))
def test_raw_integers_take_their_width(values: list[int]) -> None:
    writer = Writer()
    writer.raw(values, 5)
    body = b"".join(writer.parts)
    assert len(body) == 5 * len(values)
    assert Reader(body, []).raw(len(values), 5) == values


def ids_through(ids: list[str]) -> tuple[list[str], Ids, int]:
    writer = Writer()
    kept = writer.ids(ids)
    body = b"".join(writer.parts)
    return Reader(body, []).ids(len(ids), kept), kept, len(body)


@given(st.lists(_ids, max_size=30))
def test_ids_of_any_form_survive(ids: list[str]) -> None:
    assert ids_through(ids)[0] == ids


@given(st.lists(_numbers, min_size=1, max_size=60))
def test_numbers_survive_with_a_prefix_and_without(ids: list[str]) -> None:
    assert ids_through(ids)[0] == ids
    assert ids_through([f"a1-{one}" for one in ids])[0] == [f"a1-{one}" for one in ids]


@pytest.mark.parametrize(
    "ids",
    [
        [str(100_000 + 7 * n) for n in range(50)],
        [f"item-{n:06d}" for n in range(50)],
        [str(7**n % 10**6) for n in range(50)],
    ],
)
def test_ids_that_are_numbers_take_three_and_a_third_bits_a_digit(ids: list[str]) -> None:
    back, kept, size = ids_through(ids)
    assert back == ids
    assert kept.width == 6
    assert size == 125


@pytest.mark.parametrize(
    "ids",
    [["7", "07"], ["i", "i0"], ["a7", "b7"], ["7" * 500] * 9, ["1\u0663", "12"], ["a1a1", "a12"]],
)
def test_other_ids_are_kept_as_a_text(ids: list[str]) -> None:
    back, kept, size = ids_through(ids)
    assert back == ids
    assert (kept.text, kept.width, size) == ("\n".join(ids), 0, 0)


def test_line_breaks_are_refused() -> None:
    with pytest.raises(ValueError, match=r"line break: 'a\\nb'"):
        joined(["x", "a\nb"])
    assert parted(joined(["x", "y"])) == ["x", "y"]
    assert parted(joined([])) == []


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=20))
def test_steps_lead_back(values: list[int]) -> None:
    assert from_steps(values[0], steps(values)) == values


def test_missing_bytes_are_noticed() -> None:
    writer = Writer()
    writer.integers([1, 2, 3])
    with pytest.raises(ValueError, match="3 bytes are wanted, 2 are left"):
        Reader(b"".join(writer.parts)[:2], writer.shapes).integers(3)
    assert Reader(b"", []).integers(2) == [0, 0]


def test_machines_of_either_byte_order_write_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(0)
    values = [dice.getrandbits(60) for _ in range(20)]

    class Swapped:
        byteorder = "big"

    monkeypatch.setattr(columns, "sys", Swapped)
    # On a machine of the other order this is what makes its bytes ours; here it swaps them twice.
    assert through(values) == [values]
