from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from online_models.rows import BIT, distinct, find, union

several = st.lists(st.integers(0, 30), max_size=12)


def rows(numbers: list[int]) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


@given(st.lists(several, min_size=1, max_size=len(BIT)))
def test_a_union_tells_of_each_row_which_lists_hold_it(lists: list[list[int]]) -> None:
    found, held = union([rows(numbers) for numbers in lists])
    assert found.tolist() == sorted(set().union(*lists))
    for row, bits in zip(found.tolist(), held.tolist(), strict=True):
        assert [bool(bits & bit) for bit in BIT] == [
            n < len(lists) and row in lists[n] for n in range(len(BIT))
        ]


@given(several, several)
def test_rows_are_found_where_the_members_hold_them(wanted: list[int], members: list[int]) -> None:
    ordered = distinct(rows(members))
    places, held = find(rows(wanted), ordered)
    assert held.tolist() == [row in members for row in wanted]
    assert ordered[places[held]].tolist() == [row for row in wanted if row in members]
