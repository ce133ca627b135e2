from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models.recommender import Recommender, Slate
from online_models.state import ModelState
from schemas.events import ItemUpdate
from schemas.examples import Query
from schemas.model_log import Describe, Evict
from schemas.slate_rules import SlateRules
from tests.builders import chains, differences, learn, reload, small, update

IDS = [f"i{n}" for n in range(40)]
HISTORY = ("i3", "i4", "i5")


@pytest.fixture(scope="module", params=["exact", "graph"])
def kept(request: pytest.FixtureRequest) -> ModelState:
    exact_up_to = 20 if request.param == "graph" else 20_000
    state = learn(chains(900), small(exact_up_to=exact_up_to)).state
    assert (state.index.graph is not None) == (request.param == "graph")
    return state


@pytest.fixture
def state(kept: ModelState) -> ModelState:
    """A copy to write into."""
    return reload(kept)


def items(slate: Slate) -> list[str]:
    return [item.item_id for item in slate.items]


some = st.lists(st.sampled_from(IDS), max_size=35, unique=True)


@settings(max_examples=40, deadline=None)
@given(history=some, seen=some, gone=some, evicted=some, k=st.integers(1, 60))
def test_what_was_seen_or_is_gone_is_in_no_slate(
    kept: ModelState,
    history: list[str],
    seen: list[str],
    gone: list[str],
    evicted: list[str],
    k: int,
) -> None:
    state = reload(kept)
    words = [update(i, in_stock=n % 2 == 0, deleted=n % 2 == 0) for n, i in enumerate(gone)]
    state.apply(Describe(tuple(words)))
    state.apply(Evict(tuple(state.items.rows_of(evicted))))
    slate = Recommender(state).recommend(Query("u", "u", tuple(history), tuple(seen)), k)
    names, scores = items(slate), [item.score for item in slate.items]
    assert not set(names) & {*seen, *gone, *evicted}
    assert len(names) == len(set(names)) <= k
    assert scores == sorted(scores, reverse=True)
    assert all(item.sources for item in slate.items)


def test_a_slate_longer_than_the_catalogue_is_all_there_is(state: ModelState) -> None:
    assert sorted(items(Recommender(state).recommend(Query("u", "u", HISTORY), 1_000))) == sorted(
        IDS
    )


def test_a_stranger_has_a_choice_beyond_the_category_that_leads() -> None:
    state = learn(chains(240)).state
    leading = items(Recommender(state).recommend(Query("", ""), 20))
    words = [ItemUpdate(item_id=i, categories=("one",)) for i in leading]
    state.apply(Describe(tuple(words)))
    slate = Recommender(state).recommend(Query("", ""), 20)
    assert (len(set(items(slate)) & set(leading)), slate.relaxed) == (8, ())


@pytest.mark.parametrize("most", [1, 4])
def test_what_fills_a_slate_up_has_sponsored_items_too(state: ModelState, most: int) -> None:
    recommender, rules = Recommender(state), SlateRules(most_sponsored=most, sponsored_from=0)
    paid = items(recommender.recommend(Query("", ""), 40))[20:]
    state.apply(Describe(tuple(ItemUpdate(item_id=i, sponsored=True) for i in paid)))
    state.popularity.counts.array[state.items.rows_of(paid)] = 0
    state.popularity.touch_all()  # no horizon's list has them
    slate = recommender.recommend(Query("", ""), 30, rules)
    assert sum(item.sponsored for item in slate.items) == most
    assert len(slate.items) == 20 + most


@pytest.mark.parametrize("by", ["settings", "catalogue"])
def test_sponsored_candidates_without_a_place_leave_no_gap(state: ModelState, by: str) -> None:
    recommender, stranger, rules = Recommender(state), Query("", ""), SlateRules(most_sponsored=0)
    paid = tuple(items(recommender.recommend(stranger, 10)))
    if by == "catalogue":
        state.apply(Describe(tuple(ItemUpdate(item_id=i, sponsored=True) for i in paid)))
    else:
        rules = SlateRules(most_sponsored=0, sponsored=paid)
    slate = recommender.recommend(stranger, 25, rules)
    assert len(slate.items) == 25
    assert not set(items(slate)) & set(paid)


def test_a_shorter_slate_is_the_beginning_of_a_longer_one(state: ModelState) -> None:
    slates = [Recommender(state).recommend(Query("u", "u", HISTORY), k).items for k in (5, 20)]
    assert slates[0] == slates[1][:5]


@pytest.mark.parametrize("k", [0, -3])
def test_a_slate_has_at_least_one_place(state: ModelState, k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k}, it must be at least 1"):
        Recommender(state).recommend(Query("u", "u"), k)


def test_an_empty_model_recommends_nothing() -> None:
    recommender = Recommender(ModelState(small()))
    assert recommender.recommend(Query("u", "u", ("x",)), 5) == Slate()
    assert recommender.score(Query("u", "u"), ["x"]) == [None]
    assert recommender.similar("x") == Slate()


def test_without_history_what_trends_is_recommended(state: ModelState) -> None:
    slate = Recommender(state).recommend(Query("u", "u", ("unknown",)), 5)
    counts = state.popularity.blend(state.popularity.shares(np.arange(state.items.size)))
    wanted = [state.items.id_of(row) for row in np.argsort(-counts, kind="stable")[:5]]
    assert items(slate) == wanted
    assert {item.sources for item in slate.items} == {("popularity",)}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_item_whose_vector_is_not_finite_comes_last(state: ModelState, value: float) -> None:
    row = state.items.row_of("i9")
    state.encoder.output.array[row] = value
    with np.errstate(invalid="ignore"):
        slate = Recommender(state).recommend(Query("u", "u", HISTORY), 40)
    finite = [np.isfinite(item.score) for item in slate.items]
    assert sum(finite) >= 39
    if not all(finite):
        assert items(slate)[-1] == "i9"


def test_a_history_whose_vector_is_not_finite_still_gets_a_slate(state: ModelState) -> None:
    state.encoder.input.array[state.items.row_of("i5")] = np.nan
    assert len(Recommender(state).recommend(Query("u", "u", HISTORY), 10).items) == 10


def test_scores_come_in_the_order_asked_for_and_none_for_the_unknown(state: ModelState) -> None:
    recommender, query = Recommender(state), Query("u", "u", HISTORY)
    first, unknown, again, second = recommender.score(query, ["i7", "?", "i7", "i6"])
    assert unknown is None
    assert first == again
    assert second == recommender.score(query, ["i6", "i7"])[0]
    assert recommender.score(query, []) == []


def test_a_slates_scores_are_those_that_score_returns(state: ModelState) -> None:
    query = Query("u", "u", HISTORY)
    slate = Recommender(state).recommend(query, 40)
    scores = Recommender(state).score(query, items(slate))
    np.testing.assert_allclose(scores, [item.score for item in slate.items], rtol=1e-4, atol=1e-5)


def test_items_of_the_same_units_are_similar(state: ModelState) -> None:
    slate = Recommender(state).similar("i9", 2)
    assert "i9" not in items(slate)
    assert set(items(slate)) <= {"i7", "i8", "i10", "i11"}
    assert len(Recommender(state).similar("i9", 1_000).items) == 39


def test_nothing_is_similar_to_an_unknown_item(state: ModelState) -> None:
    assert Recommender(state).similar("unknown") == Slate()


@pytest.mark.parametrize("k", [0, -3])
def test_similar_items_are_at_least_one(state: ModelState, k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k}, it must be at least 1"):
        Recommender(state).similar("i9", k)


def test_titles_come_from_the_catalogue(state: ModelState) -> None:
    state.apply(Describe((update("i9"),)))
    assert (state.title_of("i9"), state.title_of("i8")) == ("The i9", "")


def test_asking_writes_nothing(state: ModelState, kept: ModelState) -> None:
    recommender = Recommender(state)
    recommender.recommend(Query("u", "u", HISTORY), 10)
    recommender.score(Query("u", "u", HISTORY), IDS)
    recommender.similar("i9")
    assert differences(state, reload(kept)) == []
