"""Described items get rows before their first event, and vectors to be found by."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from online_models.learner import Learner
from online_models.newcomers import ALIKE, WATCHED
from schemas.events import ItemUpdate
from schemas.examples import Query
from tests.builders import START_MS, Stream, chains, differences, learn, learner, small, update


def word(item_id: str, *categories: str, **fields: object) -> ItemUpdate:
    return msgspec.structs.replace(ItemUpdate(item_id=item_id, categories=categories), **fields)


def known(learning: Learner, item_id: str) -> bool:
    return learning.state.items.row_of(item_id) >= 0


def test_an_item_with_words_has_a_row_and_no_event() -> None:
    learning = learn([Stream().add("u", "a")])
    learning.describe(word("new", "tea"))
    row = learning.state.items.row_of("new")
    assert row >= 0
    assert learning.state.popularity.counts.array[row, -1] == 0
    assert learning.state.items.first_seen_ms.array[row] == START_MS
    assert learning.state.content.words.array[row].any()


@pytest.mark.parametrize(
    "said", [word("new"), word("new", "tea", in_stock=False), word("new", "tea", deleted=True)]
)
def test_what_has_no_words_or_is_not_for_sale_has_none(said: ItemUpdate) -> None:
    learning = learn([Stream().add("u", "a")])
    learning.describe(said)
    assert not known(learning, "new")


def test_a_catalogue_told_before_the_first_event_waits_for_its_time() -> None:
    learning = learner()
    learning.describe(word("new", "tea"))
    assert not known(learning, "new")
    learning.learn_many([Stream().add("u", "a")])
    assert known(learning, "new")
    row = learning.state.items.row_of("new")
    assert learning.state.items.first_seen_ms.array[row] == START_MS


def test_described_items_take_no_row_from_those_with_events_and_leave_first() -> None:
    stream = Stream()
    for n in range(200):
        stream.add(f"u{n}", f"i{n}", START_MS + n)
    learning = learn(stream.examples)
    for n in range(300):
        learning.describe(word(f"new{n}", "tea"))
    assert all(known(learning, f"i{n}") for n in range(200))
    assert len(learning.state.items) == 256 - 16
    for n in range(200, 230):
        stream.add(f"u{n}", f"i{n}", START_MS + n)
    learning.learn_many(stream.examples[200:])
    learning.close_micro_batch()
    assert all(known(learning, f"i{n}") for n in range(230))
    assert len(learning.state.items) <= 256


def test_an_untried_item_has_the_mean_vectors_of_its_like() -> None:
    learning = learner()
    words = [(0, word(f"i{n}", f"c{n // 2}")) for n in range(40)]
    learning.learn_many(chains(400), updates=words)
    learning.close_micro_batch()
    learning.describe(word("new", "c3"))
    state = learning.state
    own, *like = (state.items.row_of(item_id) for item_id in ("new", "i6", "i7"))
    for table in (state.encoder.input, state.encoder.output):
        mean = table.array[like].mean(axis=0)
        np.testing.assert_allclose(table.array[own], mean, rtol=1e-5, atol=1e-6)


def test_of_many_like_it_those_that_share_most_words_count_by_their_likeness() -> None:
    learning = learner()
    words = [(0, word(f"i{n}", "tea", f"c{n % 2}", f"d{n % 3}")) for n in range(40)]
    learning.learn_many(chains(400), updates=words)
    learning.close_micro_batch()
    learning.describe(word("new", "tea", "c1", "d2"))
    state, encoder = learning.state, learning.state.encoder
    own = state.items.row_of("new")
    profile = state.content.profile(np.array([own]))
    assert profile is not None
    others = np.array([row for row in state.content.newest(profile).tolist() if row != own])
    likeness = state.content.likeness(others, profile)
    best = np.argsort(-likeness, kind="stable")[:ALIKE]
    assert likeness[best].min() < likeness[best].max()
    for table in (encoder.input, encoder.output):
        mean = np.average(table.array[others[best]], axis=0, weights=likeness[best])
        np.testing.assert_allclose(table.array[own], mean, rtol=1e-5, atol=1e-6)


def test_it_follows_them_as_they_learn_until_its_first_event() -> None:
    learning, examples = learner(), chains(16 * 40)
    words = [(0, word(f"i{n}", f"c{n // 2}")) for n in range(40)] + [(200, word("new", "c3"))]
    learning.learn_many(examples[:320], updates=words)
    state = learning.state
    row = state.items.row_of("new")
    before = state.encoder.output.array[row].copy()
    assert state.items.size < 2 * WATCHED
    learning.learn_many(examples[320:])
    learning.close_micro_batch()
    assert not np.array_equal(before, state.encoder.output.array[row])
    clicked = Stream(histories={"s": ["i6"]}).add("s", "new", START_MS + 10**7, offset=700)
    learning.learn_many([clicked])
    learning.close_micro_batch()
    own = state.encoder.output.array[row].copy()
    learning._training.newcomers.follow(np.array([row]))
    np.testing.assert_array_equal(own, state.encoder.output.array[row])


def test_one_unlike_all_others_keeps_vectors_of_its_own() -> None:
    learning = learn(chains(100))
    learning.describe(word("new", "unheard of"))
    row = learning.state.items.row_of("new")
    assert learning.state.encoder.output.array[row].any()


def test_new_words_take_the_place_of_the_old_ones() -> None:
    learning = learn([Stream().add("u", "a")])
    learning.describe(word("a", "tea"))
    learning.describe(word("b", "tea"))
    learning.describe(word("a", "pots"))
    profile = learning.state.content.profile(np.array([learning.state.items.row_of("b")]))
    row = learning.state.items.row_of("a")
    assert profile is None or learning.state.content.likeness(np.array([row]), profile)[0] == 0
    learning.describe(word("a", deleted=True))
    assert not learning.state.content.words.array[row].any()


def test_what_was_evicted_and_comes_back_has_its_words_again() -> None:
    stream = Stream()
    stream.add("u", "tea", START_MS)
    for n in range(260):
        stream.add(f"u{n}", f"i{n}", START_MS + 1_000 + n)
    learning = learner(small())
    learning.learn_many(stream.examples, updates=[(0, word("tea", "drinks"))])
    learning.close_micro_batch()
    assert not known(learning, "tea")
    assert not learning.state.content.used
    learning.learn_many([stream.add("u", "tea", START_MS + 2_000)])
    assert learning.state.content.words.array[learning.state.items.row_of("tea")].any()


def test_how_the_calls_are_cut_changes_nothing() -> None:
    examples = chains(300)
    words = [(7 * n, word(f"i{n % 50}", f"c{n % 5}")) for n in range(40)]
    whole, cut = learner(), learner()
    whole.learn_many(examples, updates=words)
    for start in range(0, 300, 13):
        part = [one for one in words if start <= one[0] < start + 13]
        cut.learn_many(examples[start : start + 13], updates=part)
    whole.close_micro_batch()
    cut.close_micro_batch()
    assert differences(whole.state, cut.state) == []


def test_without_a_catalogue_nothing_is_published_of_it() -> None:
    learning = learn(chains(200))
    tables = {getattr(entry, "table", "") for entry in learning.state.snapshot().entries}
    assert not any(name.startswith("content.") for name in tables)
    ranking = learning.recommender.rank(Query("u", "u", ("i3",)))
    assert not ranking.candidates.content.any()
    assert not ranking.candidates.proposed_by("content").any()


def test_a_title_alone_makes_items_alike() -> None:
    learning = learn([Stream().add("u", "a")])
    learning.describe(update("new"))
    assert known(learning, "new")
