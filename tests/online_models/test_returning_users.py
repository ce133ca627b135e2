"""A user who comes back is known by earlier sessions: from the first slate of a new one on.

The stream is planted: users have one of four tastes for good. A session's own items tell little,
as one event in three is of any taste.
"""

from __future__ import annotations

import numpy as np
import pytest

from online_models.recommender import Recommender
from online_models.state import ModelState
from schemas.examples import Query
from tests.builders import SMALL, START_MS, Stream, differences, learn

TASTES, ITEMS, USERS, LENGTH = 4, 20, 60, 3


def planted(events: int = 5_000) -> Stream:
    rng, stream = np.random.default_rng(0), Stream()
    had: dict[int, list[str]] = {user: [] for user in range(USERS)}
    for n in range(events // LENGTH):
        user = int(rng.integers(USERS))
        earlier = tuple(had[user][-20:])
        for k in range(LENGTH):
            taste = user % TASTES if rng.random() < 2 / 3 else int(rng.integers(TASTES))
            item = f"t{taste}-{rng.integers(ITEMS)}"
            time_ms = START_MS + (LENGTH * n + k) * 20_000
            stream.add(f"u{user}-{n}", item, time_ms, earlier=earlier)
            had[user].append(item)
    return stream


@pytest.fixture(scope="module")
def state() -> ModelState:
    return learn(planted().examples).state


def share_of_taste(state: ModelState, taste: int, history: tuple[str, ...], earlier: bool) -> float:
    """Return which share of the first ten items is of a taste, for users of it."""
    rng, shares = np.random.default_rng(taste), []
    for _ in range(10):
        had = tuple(f"t{taste}-{item}" for item in rng.choice(ITEMS, 6)) if earlier else ()
        slate = Recommender(state).recommend(Query("u", "u", history, earlier=had), 10)
        shares.append(np.mean([item.item_id.startswith(f"t{taste}-") for item in slate.items]))
    return float(np.mean(shares))


@pytest.mark.parametrize("taste", range(TASTES))
def test_the_first_slate_of_a_session_is_by_what_was_chosen_in_earlier_ones(
    state: ModelState, taste: int
) -> None:
    stranger = share_of_taste(state, taste, (), earlier=False)
    assert share_of_taste(state, taste, (), earlier=True) > max(0.6, stranger + 0.2)


def test_one_click_beside_the_taste_does_not_hide_it(state: ModelState) -> None:
    with_earlier, without = [], []
    for taste in range(TASTES):
        other = (f"t{(taste + 1) % TASTES}-3",)
        with_earlier.append(share_of_taste(state, taste, other, earlier=True))
        without.append(share_of_taste(state, taste, other, earlier=False))
    assert np.mean(with_earlier) > np.mean(without) + 0.2


def test_a_model_of_a_short_window_reads_the_newest_of_the_earlier_items() -> None:
    window, whole, part = SMALL.encoder_window, Stream(), Stream()
    assert window < 20
    for n in range(300):
        unit, item = f"s{n // 3}", f"i{n * 7 % 60}"
        told = [f"i{(n + k) % 60}" for k in range(20)]
        whole.add(unit, item, START_MS + n, earlier=told)
        part.add(unit, item, START_MS + n, earlier=told[-window:])
    state = learn(whole.examples).state
    assert differences(state, learn(part.examples).state) == []
    slates = [
        Recommender(state).recommend(Query("u", "u", earlier=tuple(told[start:])))
        for start in (0, 20 - window, 20 - window + 1)
    ]
    assert slates[0] == slates[1] != slates[2]
