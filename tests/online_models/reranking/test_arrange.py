"""What each rule does to a ranking, and what it says of it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models.items import ItemTable
from online_models.reranking.arrange import Arranged, Ranked, arrange
from schemas.events import ItemUpdate
from schemas.model_log import Admit, Describe
from schemas.slate_rules import SlateRules

OFF = SlateRules(category_share=1.0)
DAY_MS = 86_400_000


def ranked(
    categories: str,
    *,
    sellers: str = "",
    sponsored: str = "",
    proposed: str = "",
    vectors: list[list[float]] | None = None,
    ages_ms: list[int] | None = None,
) -> Ranked:
    """Return a ranking of the items ``0``, ``1``, … best first, one letter of category each."""
    count, items = len(categories), ItemTable(capacity=1_000)
    items.first_seen_ms.grow(count)
    items.apply(Admit(tuple(range(count)), tuple(str(n) for n in range(count))))
    for n, category in enumerate(categories):
        word = ItemUpdate(
            item_id=str(n),
            categories=() if category == "-" else (category, "all"),
            seller_id=sellers[n] if sellers else None,
            sponsored=str(n) in sponsored,
        )
        items.apply(Describe((word,)))
    items.first_seen_ms.array[:count] = 0 if ages_ms is None else DAY_MS - np.array(ages_ms)
    table = np.ones((count, 2)) if vectors is None else np.array(vectors)
    mask = np.array([not proposed or str(n) in proposed for n in range(count)], dtype=bool)
    scores = -np.arange(count, dtype=np.float32)
    return Ranked(items, np.arange(count), scores, mask, table.astype(np.float32), DAY_MS)


def shown(found: Arranged) -> str:
    return "".join(str(place) for place in found.places)


def test_without_categories_the_best_are_shown() -> None:
    found = arrange(ranked("-----"), SlateRules(), 3)
    assert (shown(found), found.moves, found.relaxed) == ("012", {}, ())


def test_no_category_has_more_than_its_share() -> None:
    found = arrange(ranked("aaaaabbccd"), SlateRules(), 5)
    assert shown(found) == "01567"
    assert found.moves == dict.fromkeys((5, 6, 7), ("category_share",))
    assert found.passed == dict.fromkeys((2, 3, 4), "category_share")
    assert found.relaxed == ()


def test_the_first_category_counts() -> None:  # all items have "all" as their second
    assert shown(arrange(ranked("abcde"), SlateRules(), 5)) == "01234"


@pytest.mark.parametrize("k", [1, 2])
def test_a_short_slate_may_hold_one_of_each_category(k: int) -> None:
    assert shown(arrange(ranked("aab"), SlateRules(), k)) == "02"[:k]


def test_where_nothing_else_is_left_the_cap_gives_way_and_says_so() -> None:
    found = arrange(ranked("aaaab"), SlateRules(), 5)
    assert shown(found) == "01423"
    assert found.relaxed == ("category_share",)
    assert found.moves[2] == ("category_share",)
    assert found.passed == {}


def test_a_cap_of_all_is_none() -> None:
    assert shown(arrange(ranked("aaaab"), OFF, 4)) == "0123"


def test_sellers_are_capped_where_it_is_asked_for() -> None:
    one = ranked("-----", sellers="xxxyz")
    assert shown(arrange(one, SlateRules(), 3)) == "012"
    found = arrange(one, SlateRules(seller_share=0.34), 3)
    assert shown(found) == "034"
    assert found.moves == dict.fromkeys((3, 4), ("seller_share",))


def test_a_pinned_item_stands_in_its_place_though_nobody_proposed_it() -> None:
    one = ranked("-----", proposed="0123")
    found = arrange(one, SlateRules(pins={1: "4", 0: "2", 9: "3", 2: "none"}), 4)
    assert shown(found) == "2401"
    assert found.moves == {2: ("pin",), 4: ("pin",)}


def test_an_item_is_pinned_once() -> None:
    assert shown(arrange(ranked("---"), SlateRules(pins={0: "2", 1: "2"}), 3)) == "201"


def test_a_pin_beyond_the_last_item_comes_last() -> None:
    assert shown(arrange(ranked("---"), SlateRules(pins={2: "0"}), 3)) == "120"


def test_what_is_pinned_counts_under_the_cap() -> None:
    found = arrange(ranked("aaabbc"), SlateRules(pins={4: "2"}), 5)
    assert shown(found) == "03452"[:4] + "2"


def test_sponsored_items_are_labelled_and_bounded() -> None:
    one = ranked("--------", proposed="012345")
    found = arrange(one, SlateRules(sponsored=("7", "6"), most_sponsored=1, sponsored_from=2), 5)
    assert shown(found) == "01723"
    assert found.sponsored == {7}
    assert found.moves[7] == ("sponsored",)
    assert found.passed == {6: "sponsored"}
    assert set(found.moves) == {7}  # nobody was lifted by one that no source proposed


def test_what_the_catalogue_calls_sponsored_waits_for_its_place() -> None:
    found = arrange(ranked("------", sponsored="01"), SlateRules(sponsored_from=2), 4)
    assert shown(found) == "2304"
    assert found.sponsored == {0}
    assert found.passed[1] == "sponsored"


def test_a_slate_too_short_for_sponsored_items_has_none() -> None:
    found = arrange(ranked("---", proposed="0"), SlateRules(sponsored=("2",)), 5)
    assert shown(found) == "0"
    assert (found.passed, found.sponsored) == ({2: "sponsored"}, frozenset())


def test_a_sponsored_item_is_not_pinned_above_its_place() -> None:
    rules = SlateRules(pins={0: "2"}, sponsored=("2",), sponsored_from=1)
    assert shown(arrange(ranked("---"), rules, 3)) == "021"


def test_a_young_item_gains_what_is_asked_for() -> None:
    ages_ms = [DAY_MS] * 4 + [0]
    one = ranked("-----", ages_ms=ages_ms)
    assert shown(arrange(one, SlateRules(), 5)) == "01234"
    found = arrange(one, SlateRules(freshness=2, fresh_half_life_ms=DAY_MS / 10), 5)
    assert shown(found) == "01423"
    assert found.moves == {4: ("freshness",)}


def test_diversity_sets_the_like_apart() -> None:
    vectors = [[1, 0], [1, 0.01], [1, 0.02], [0, 1]]
    one = ranked("----", vectors=vectors)
    assert shown(arrange(one, SlateRules(), 4)) == "0123"
    found = arrange(one, SlateRules(diversity=0.7), 4)
    assert shown(found)[:2] == "03"
    assert found.moves[3] == ("diversity",)


def test_diversity_minds_categories_too() -> None:
    found = arrange(ranked("aaab"), SlateRules(category_share=1, diversity=0.9), 4)
    assert shown(found)[:2] == "03"


def test_diversity_copes_with_vectors_and_scores_that_are_no_numbers() -> None:
    one = ranked("----", vectors=[[np.nan, 1], [np.inf, 0], [1, 0], [0, 1]])
    one.scores[:] = [np.nan, np.inf, 1, 0]
    assert sorted(shown(arrange(one, SlateRules(diversity=0.5), 4))) == list("0123")
    one.scores[:] = np.nan
    assert sorted(shown(arrange(one, SlateRules(diversity=0.5, freshness=1), 4))) == list("0123")


@settings(max_examples=200, deadline=None)
@given(
    categories=st.text("abc-", max_size=30),
    share=st.floats(0, 1),
    k=st.integers(1, 30),
    diversity=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_a_cap_holds_or_is_said_to_be_relaxed(
    categories: str, share: float, k: int, diversity: float
) -> None:
    rules = SlateRules(category_share=share, diversity=diversity)
    found = arrange(ranked(categories), rules, k)
    count = min(k, len(categories))
    assert len(set(found.places.tolist())) == len(found.places) == count
    held = Counter(categories[place] for place in found.places if categories[place] != "-")
    over = [n for n in held.values() if n > max(1, int(share * count + 1e-9))]
    assert bool(over) == bool(found.relaxed)
    if not diversity and share == 1:
        assert found.places.tolist() == list(range(count))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"category_share": 1.5}, "category_share is 1.5, it must lie within 0 and 1"),
        ({"seller_share": float("nan")}, "seller_share is nan"),
        ({"diversity": -0.1}, "diversity is -0.1"),
        ({"freshness": 101.0}, "freshness is 101.0, it must lie within 0 and 100"),
        ({"fresh_half_life_ms": 0.0}, "fresh_half_life_ms is 0.0, it must be positive"),
        ({"most_sponsored": 1_001}, "most_sponsored is 1001, it must lie within 0 and 1000"),
        ({"sponsored_from": -1}, "sponsored_from is -1"),
        ({"pins": {1_000: "a"}}, "pins name place 1000, there are 0 to 999"),
    ],
)
def test_rules_out_of_bounds_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SlateRules(**fields)  # type: ignore[arg-type]
