"""What the catalogue says of rows, as numbers that are given again when no row has them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from online_models.facets import Facet


@given(st.lists(st.tuples(st.integers(0, 2_000), st.none() | st.sampled_from("abcd"))))
def test_rows_have_what_was_said_of_them_last(said: list[tuple[int, str | None]]) -> None:
    facet: Facet[str] = Facet()
    wanted: dict[int, str | None] = {}
    for row, value in said:
        facet.put(row, value)
        wanted[row] = value
    rows = np.array(sorted({*wanted, 3_000}), dtype=np.int64)
    assert [facet.values[code] for code in facet.of(rows)] == [wanted.get(int(r)) for r in rows]
    held = {value for value in wanted.values() if value is not None}
    assert facet.used == bool(held)
    assert {value for value, _ in facet.numbers()} == held


def test_a_number_that_no_row_has_is_given_again() -> None:
    facet: Facet[int] = Facet()
    for value in range(10_000):
        facet.put(7, value)
    assert len(facet.values) <= 3


def test_a_mask_covers_rows_that_nothing_was_said_of() -> None:
    facet: Facet[str] = Facet()
    facet.put(1, "a")
    has = np.array([True, False])
    mask = facet.mask(5_000, has)
    assert np.flatnonzero(~mask).tolist() == [1]
