"""Why an item is in a slate, and why it is not: for each reason there is."""

from __future__ import annotations

import numpy as np
import pytest

from online_models.explaining.explanation import Explanation, explain
from online_models.recommender import Recommender
from online_models.retrieval import Retriever
from online_models.state import ModelState
from schemas.events import ItemUpdate
from schemas.examples import Query
from schemas.model_log import Describe
from schemas.slate_rules import SlateRules
from tests.builders import chains, differences, learn, reload, small

HISTORY = ("i3", "i4", "i5")
QUERY = Query("u", "u", HISTORY)
KEPT = learn(chains(900), small()).state


@pytest.fixture
def state() -> ModelState:
    return reload(KEPT)


def told(
    state: ModelState, item_id: str, k: int = 5, *, query: Query = QUERY, **rules: object
) -> Explanation:
    return explain(Recommender(state), query, item_id, k, SlateRules(**rules))  # type: ignore[arg-type]


def narrow(state: ModelState) -> Recommender:
    """Return a recommender whose sources propose next to nothing."""
    recommender = Recommender(state)
    recommender.retriever = Retriever(state, by_popularity=2, by_rules=3, by_encoder=2, own_items=1)
    return recommender


def test_every_item_of_a_slate_is_explained_as_it_stands(state: ModelState) -> None:
    slate = Recommender(state).recommend(QUERY, 10)
    for place, item in enumerate(slate.items):
        found = told(state, item.item_id, 10)
        assert (found.reason, found.position, found.rank) == ("shown", place, place + 1)
        assert found.score == pytest.approx(item.score)
        assert tuple(word.name for word in found.sources if word.proposed) == item.sources
        total = sum(word.contribution for word in found.features) + found.baseline
        assert total == pytest.approx(item.score, rel=1e-3, abs=1e-3)


def test_the_past_items_that_lead_there_are_told_with_their_shares(state: ModelState) -> None:
    found = told(state, "i6")
    assert {past.item_id for past in found.past_items} <= set(HISTORY)
    assert found.past_items[0].item_id == "i5"
    assert sum(past.share for past in found.past_items) == pytest.approx(1)
    rows = [state.items.row_of(past.item_id) for past in found.past_items]
    assert all(state.items.row_of("i6") in state.rules.ids.array[row] for row in rows)


def test_whom_rules_tell_of_an_item_through_is_told_with_shares(state: ModelState) -> None:
    rules, row_of = state.rules, state.items.row_of
    found = told(state, "i9")
    rows = [row_of(past.item_id) for past in found.relays]
    followers, _ = rules.neighbours(
        np.array([row_of(item_id) for item_id in reversed(HISTORY)]), state.progress.time_ms
    )
    assert rows
    assert set(rows) <= set(followers.tolist())
    assert all(row_of("i9") in rules.ids.array[row] for row in rows)
    shares = [past.share for past in found.relays]
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert told(state, "i9", query=Query("u", "u")).relays == ()


def test_what_opens_a_session_is_explained_by_the_items_of_earlier_ones(state: ModelState) -> None:
    earlier = ("i3", "x", "i4", "i3")
    found = told(state, "i5", 40, query=Query("u", "u", earlier=earlier))
    assert found.past_items == ()
    assert {past.item_id for past in found.earlier_items} <= set(earlier) - {"x"}
    shares = [past.share for past in found.earlier_items]
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert told(state, "i6").earlier_items == ()


def test_features_are_told_by_name_the_weightiest_first(state: ModelState) -> None:
    found = told(state, "i6")
    assert "encoder" in {word.name for word in found.features}
    sizes = [abs(word.contribution) for word in found.features]
    assert sizes == sorted(sizes, reverse=True)


def test_an_item_behind_the_end_is_told_its_rank(state: ModelState) -> None:
    last = Recommender(state).recommend(QUERY, 40).items[-1].item_id
    found = told(state, last)
    assert (found.reason, found.rank, found.candidates) == ("beyond_k", 40, 40)
    assert found.position is None


def test_an_item_that_the_model_does_not_know_is_told_so(state: ModelState) -> None:
    assert told(state, "never seen") == Explanation(item_id="never seen", reason="unknown_item")


def test_a_hard_rule_is_told_by_name_and_the_score_all_the_same(state: ModelState) -> None:
    state.apply(
        Describe((ItemUpdate(item_id="i6", min_age=18), ItemUpdate(item_id="?", deleted=True)))
    )
    found = told(state, "i6")
    assert (found.reason, found.rule, found.position) == ("hard_rule", "min_age", None)
    assert found.score is not None
    assert found.features
    assert told(state, "?").rule == "deleted"
    assert told(state, "i7", blocked_items=frozenset({"i7"})).rule == "blocked_item"
    assert told(state, "i3", query=Query("u", "u", HISTORY, HISTORY)).rule == "seen"


def test_an_item_that_nobody_proposed_is_told_so(state: ModelState) -> None:
    recommender = narrow(state)
    proposed = {item.item_id for item in recommender.recommend(QUERY, 1).items}
    rank = recommender.rank(QUERY)
    proposed |= {state.items.id_of(row) for row in rank.candidates.rows.tolist()}
    other = next(f"i{n}" for n in range(40) if f"i{n}" not in proposed)
    found = explain(recommender, QUERY, other, 3, SlateRules())
    assert found.reason == "not_proposed"
    assert not any(word.proposed for word in found.sources)
    assert 1 <= found.rank <= found.candidates + 1


def test_an_item_that_a_cap_held_back_is_told_the_cap(state: ModelState) -> None:
    ranked = [item.item_id for item in Recommender(state).recommend(QUERY, 40).items]
    same = [ItemUpdate(item_id=item_id, categories=("a",)) for item_id in ranked[:4]]
    state.apply(Describe(tuple(same)))
    found = told(state, ranked[3])
    assert (found.reason, found.rule, found.rank) == ("held_back", "category_share", 4)
    lifted = told(state, ranked[6])
    assert (lifted.reason, lifted.position) == ("shown", 4)
    assert lifted.moved_by == ("category_share",)


def test_an_item_whose_place_was_pinned_to_another_is_told_so(state: ModelState) -> None:
    ranked = [item.item_id for item in Recommender(state).recommend(QUERY, 40).items]
    found = told(state, ranked[4], pins={0: ranked[30]})
    assert (found.reason, found.rank) == ("displaced", 5)
    assert told(state, ranked[30], pins={0: ranked[30]}).moved_by == ("pin",)


def test_a_stranger_has_no_features(state: ModelState) -> None:
    found = told(state, "i6", 40, query=Query("u", "u"))
    assert (found.reason, found.features, found.past_items) == ("shown", (), ())


def test_explaining_writes_nothing(state: ModelState) -> None:
    for item_id in ("i6", "i30", "?"):
        told(state, item_id)
    assert differences(state, reload(KEPT)) == []
