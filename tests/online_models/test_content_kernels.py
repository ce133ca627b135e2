"""What kernels make of words is what a request would: to the last bit, but for means of logs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models.agreed import SCORE, UNTRIED
from online_models.content import shares_of
from online_models.content_kernels import Liked, Words, alike, borrow, like, liken, tell, unlike
from online_models.content_source import PEERS, told
from online_models.content_source import borrow as lent
from online_models.fields import BUCKETS, FIELDS
from online_models.state import ModelState
from tests.builders import small

ROWS = 60
EVERYBODY = np.arange(ROWS)
WORDS = st.sampled_from([f"w{n}" for n in range(24)])
PUTS = st.lists(
    st.tuples(st.integers(0, ROWS - 1), st.lists(WORDS, max_size=FIELDS, unique=True)),
    min_size=1,
    max_size=90,
)
HISTORY = st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=9)
TRIED = st.sets(st.integers(0, ROWS - 1))


class Case(NamedTuple):
    """A model with words, of which some items had an event, and what a history likes there."""

    state: ModelState
    history: np.ndarray
    words: Words
    liked: Liked
    found: int

    @property
    def counts(self) -> np.ndarray:
        return self.state.popularity.counts.array[:, -1]


def case(puts: list[tuple[int, list[str]]], history: list[int], tried: set[int]) -> Case:
    state = ModelState(small())
    for table in state.tables.values():
        table.grow(ROWS)
    for row, words in puts:
        state.content.put(row, words)
    state.popularity.counts.array[list(tried)] = 1
    content, rows = state.content, np.array(history)
    words = Words.of(content)
    liked = Liked.made(BUCKETS, FIELDS * len(rows))
    added = content.worth(rows, shares_of(len(rows)))
    return Case(state, rows, words, liked, like(rows, added, words.words, liked))


@settings(max_examples=50, deadline=None)
@given(PUTS, HISTORY, TRIED)
def test_a_history_likes_the_same_words_as_much(
    puts: list[tuple[int, list[str]]], history: list[int], tried: set[int]
) -> None:
    made = case(puts, history, tried)
    profile = made.state.content.profile(made.history)
    assert (profile is None) == (made.found == 0)
    if profile is not None:
        np.testing.assert_array_equal(made.liked.worth, profile.worth)
        scores = np.empty(ROWS, dtype=np.float32)
        liken(EVERYBODY, made.words, made.liked, scores)
        np.testing.assert_array_equal(scores, made.state.content.likeness(EVERYBODY, profile))
    unlike(made.found, made.liked)
    assert not made.liked.worth.any()
    assert not made.liked.met.any()


@settings(max_examples=50, deadline=None)
@given(PUTS, HISTORY, TRIED)
def test_the_newest_of_the_best_words_are_the_same(
    puts: list[tuple[int, list[str]]], history: list[int], tried: set[int]
) -> None:
    made, lookup = case(puts, history, tried), np.full(ROWS, -1, dtype=np.int32)
    rows, scores, new = alike(made.found, made.words, made.counts, made.liked, lookup)
    assert (lookup == -1).all()
    content, wanted = made.state.content, dict[int, float]()
    profile = content.profile(made.history)
    if profile is not None:
        newest = content.newest(profile)
        likeness = content.likeness(newest, profile).tolist()
        wanted = {row: one for row, one in zip(newest.tolist(), likeness, strict=True) if one > 0}
    assert dict(zip(rows.tolist(), scores.tolist(), strict=True)) == wanted
    assert set(rows[:new].tolist()) == set(wanted) - tried


@settings(max_examples=50, deadline=None)
@given(PUTS, HISTORY, TRIED, st.sets(st.integers(0, ROWS - 1), min_size=1))
def test_candidates_are_told_of_and_borrow_the_same(
    puts: list[tuple[int, list[str]]], history: list[int], tried: set[int], candidates: set[int]
) -> None:
    made, rows = case(puts, history, tried), np.array(sorted(candidates))
    state, table = made.state, np.ones((len(rows), 3), dtype=np.float32)
    wanted = told(state, rows, state.content.profile(made.history))
    if state.content.used:
        tell(rows, made.found, made.words, made.counts, made.liked, table)
        np.testing.assert_array_equal(table, wanted)
    rules, popularity = state.rules, state.popularity
    channels, at = rules.channels, 2 * rules.channels + len(popularity.held)
    counts = np.random.default_rng(0).random((len(rows), at + 1), dtype=np.float32) + 0.01
    logs = np.log(np.concatenate([counts, np.ones((len(rows), 4), dtype=np.float32)], axis=1))
    mixture = np.linspace(0, 1, len(popularity.held), dtype=np.float32)
    borrow(wanted, PEERS, at, rules.mix, mixture, logs)
    new = lent(counts, wanted)
    np.testing.assert_allclose(logs[:, : at + 1], np.log(counts), rtol=1e-5, atol=1e-6)
    assert (logs[:, at + 1 :] == 0).all(axis=1).sum() == len(rows) - len(new)
    blends = (
        rules.blend(counts[new, :channels]),
        rules.blend(counts[new, channels : 2 * channels]),
        counts[new, 2 * channels : at] @ mixture,
    )
    for n, blend in enumerate(blends):
        np.testing.assert_allclose(logs[new, at + 1 + n], np.log(blend), rtol=1e-5, atol=1e-6)


def test_those_that_are_as_like_borrow_of_the_same() -> None:
    told_of = np.zeros((80, 3), dtype=np.float32)
    told_of[40:, UNTRIED] = 1
    told_of[:, SCORE] = np.random.default_rng(1).integers(0, 6, 80)
    logs = np.random.default_rng(2).random((80, 10), dtype=np.float32)
    borrow(told_of, PEERS, 5, np.ones(2, np.float32), np.ones(1, np.float32), logs)
    for score in range(6):
        alike_ = logs[40:][told_of[40:, SCORE] == score, :9]
        assert len(alike_) > 1
        assert (alike_ == alike_[0]).all()
