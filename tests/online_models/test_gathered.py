from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models.gathered import Gathered, Taken
from online_models.joined_kernels import joined, joined_arrays, pad
from tests.builders import small

WIDTH = 4
LISTS = st.lists(st.lists(st.integers(0, 99), max_size=WIDTH), min_size=1, max_size=9)


@settings(deadline=None)
@given(LISTS)
def test_joined_rows_are_padded_each_for_itself(lists: list[list[int]]) -> None:
    wanted = [[*own, *[-1] * (WIDTH - len(own))] for own in lists]
    arrays = [np.array(own, dtype=np.int64) for own in lists]
    for together in (joined(lists), joined_arrays(arrays)):
        table = np.full((len(lists), WIDTH), 7)
        pad(together, table)
        assert table.tolist() == wanted


@settings(max_examples=30)
@given(st.lists(st.booleans(), min_size=12, max_size=12))
def test_when_examples_are_written_changes_nothing(writes: list[bool]) -> None:
    seldom, often = Gathered(6, small()), Gathered(6, small())
    for n, now in enumerate(writes):
        if n == 6:
            seldom.clear()
            often.clear()
        slots = np.arange(n % 3)
        taken = Taken(n - 1, [n] * (n % 4), [n] * (n % 2), slots, slots[:1], n / 4, 10**12 + n, n)
        for gathered in (seldom, often):
            gathered.add(taken)
        if now:
            often.write()
        assert len(seldom) == len(often) == n % 6 + 1
    for gathered in (seldom, often):
        gathered.write()
    for name in ("targets", "histories", "earlier", "asked", "slots", "weights", "times_ms"):
        np.testing.assert_array_equal(getattr(often, name), getattr(seldom, name), name)
    assert seldom.histories[1].tolist()[:4] == [7, 7, 7, -1]
    assert seldom.times_ms[1] == 10**12 + 7
