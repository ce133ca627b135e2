from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from online_models import popularity as module
from online_models.agreed import ESTABLISHED
from online_models.decay import FOREVER
from online_models.popularity import Popularity

ROWS, TOP = 40, 5


def model() -> Popularity:
    popularity = Popularity((1_000.0, FOREVER), top=TOP)
    popularity.counts.grow(ROWS)
    return popularity


def brute_force(popularity: Popularity) -> list[list[int]]:
    counts = popularity.counts.array
    return [
        sorted((r for r in range(ROWS) if counts[r, h] > 0), key=lambda r: (-counts[r, h], r))[:TOP]
        for h in range(2)
    ]


acts = st.lists(
    st.one_of(
        st.tuples(st.just("touch"), st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=9)),
        st.tuples(st.just("scale"), st.integers(1, 200)),
        st.tuples(st.just("evict"), st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=9)),
        st.tuples(st.just("ask"), st.none()),
    ),
    max_size=30,
)


@given(acts)
def test_top_lists_equal_brute_force_after_anything(happened: list[tuple[str, object]]) -> None:
    popularity = model()
    counts = popularity.counts.array
    for act, argument in happened:
        if act == "touch":
            rows = np.array(argument, dtype=np.int64)
            np.add.at(counts, rows, np.float32(1))
            popularity.touch(rows)
        elif act == "scale":
            counts[:, 0] = np.ldexp(counts[:, 0], -int(argument))  # type: ignore[call-overload]
            popularity.touch_all()
        elif act == "evict":
            popularity.counts.reset(np.array(argument, dtype=np.int64))
            popularity.touch_all()
        else:
            popularity.lists()
        heads = [rows[:2].tolist() for rows in popularity.lists()]
        assert popularity.leading(2).tolist() == sorted(set().union(*heads))
    assert [rows.tolist() for rows in popularity.lists()] == brute_force(popularity)
    assert np.array_equal(popularity.established, counts[:, 1] >= ESTABLISHED)


def test_where_the_last_horizon_forgets_all_that_it_remembers_are_established() -> None:
    popularity = Popularity((FOREVER, 1_000.0), top=TOP)
    popularity.counts.grow(ROWS)
    popularity.counts.array[:3] = [[9, 1e-20], [9, 0], [0, 1]]
    popularity.touch_all()
    popularity.refresh()
    assert popularity.established.nonzero()[0].tolist() == [0, 2]


def test_touched_rows_do_not_pile_up_while_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TOUCHES", 50)
    popularity = model()
    for n in range(200):
        rows = np.array([n % ROWS, (n * n) % ROWS])
        np.add.at(popularity.counts.array, rows, np.float32(1))
        popularity.touch(rows)
    assert len(popularity._touched) <= 50
    assert [rows.tolist() for rows in popularity.lists()] == brute_force(popularity)


def test_shares_are_of_all_events_of_each_horizon() -> None:
    popularity = model()
    popularity.counts.array[:2] = [[1, 2], [3, 0]]
    popularity.totals.array[0] = [4, 8]
    assert popularity.shares(np.array([1, 0])).tolist() == [[0.75, 0], [0.25, 0.25]]


def test_an_empty_model_has_no_shares_and_no_lists() -> None:
    popularity = model()
    assert popularity.shares(np.array([3])).tolist() == [[0, 0]]
    assert [rows.tolist() for rows in popularity.lists()] == [[], []]


def test_the_blend_prefers_the_horizon_that_did_better() -> None:
    popularity = model()
    shares = np.array([[1, 0], [0, 1]], dtype=np.float32)
    even = popularity.blend(shares)
    assert even[0] == even[1]
    popularity.evidence.array[:] = [-5, -4]
    one, other = popularity.blend(shares)
    assert other > 100 * one
