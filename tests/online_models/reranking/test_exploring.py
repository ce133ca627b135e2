"""New items get what they are owed, uncertain ones a chance, and the log their propensities."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest

from online_models.recommender import Recommender, Slate
from online_models.reranking.exploring import DRAWINGS, Exploration
from online_models.state import ModelState
from schemas.examples import Query
from schemas.model_log import Admit
from schemas.slate_rules import SlateRules
from serving.exploring import Explorer
from tests.builders import chains, differences, learn, reload, small

QUERY = Query("u", "u", ("i3", "i4", "i5"))
RULES = SlateRules(explore_every=5, guaranteed_impressions=3)
KEPT = learn(chains(900), small()).state  # 40 items of 22 events or so


@pytest.fixture
def state() -> ModelState:
    return reload(KEPT)


def drawn(slate: Slate) -> list[str]:
    return [item.item_id for item in slate.items if "explore" in item.rules]


def slate_of(
    state: ModelState, seed: int, *, k: int = 10, rules: SlateRules = RULES, **shown: int
) -> Slate:
    return Recommender(state).recommend(QUERY, k, rules, Exploration(seed, shown))


def newcomers(state: ModelState, *item_ids: str) -> None:
    """Give items rows that no event was learnt of, and that nobody would rank high."""
    start = state.items.size
    rows = slice(start, start + len(item_ids))
    state.apply(Admit(tuple(range(start, rows.stop)), item_ids))
    state.items.first_seen_ms.array[rows] = state.progress.time_ms
    state.encoder.output.array[rows, -1] = -20.0


def test_nothing_is_explored_unless_it_is_asked_for(state: ModelState) -> None:
    newcomers(state, "new")
    plain = Recommender(state, RULES).recommend(QUERY, 10)
    assert drawn(plain) == []
    assert {item.propensity for item in plain.items} == {1.0}
    assert slate_of(state, 1, rules=SlateRules()) == plain
    assert slate_of(state, 1, k=4).items == plain.items[:4]  # too short to have a slot


def test_a_new_item_takes_the_last_of_every_few_places(state: ModelState) -> None:
    newcomers(state, "new")
    slate = slate_of(state, 1)
    assert slate.items[4].item_id == "new"
    assert slate.items[4].rules == ("explore",)
    assert slate.items[4].propensity == 1.0  # nobody else is owed anything
    plain = Recommender(state).recommend(QUERY, 10)
    ids = [item.item_id for item in slate.items]
    assert ids[:4] + ids[5:] == [item.item_id for item in plain.items[:9]]


def test_those_who_are_owed_share_the_slots_evenly(state: ModelState) -> None:
    newcomers(state, "a", "b", "c", "d")
    slates = [slate_of(state, seed) for seed in range(400)]
    counts = Counter(item for slate in slates for item in drawn(slate))
    assert set(counts) == {"a", "b", "c", "d"}
    assert all(150 < count < 250 for count in counts.values())
    assert {i.propensity for slate in slates for i in slate.items if i.rules} == {0.5}


def test_a_new_item_reaches_the_impressions_that_it_is_owed(state: ModelState) -> None:
    names = [f"new{n}" for n in range(20)]
    state.items.newest.clear()  # some of the others have had fewer events than are guaranteed here
    newcomers(state, *names)
    rules = SlateRules(explore_every=5, guaranteed_impressions=20)
    explorer, recommender = Explorer(), Recommender(state)
    for request in range(20 * 20 // 2 + 20):
        exploration = explorer.of(UUID(int=request * 7_919).hex)
        slate = recommender.recommend(QUERY, 10, rules, exploration)
        explorer.served(item.item_id for item in slate.items)
    assert min(explorer.impressions[name] for name in names) >= 20


def test_an_item_that_has_had_its_due_leaves_the_queue(state: ModelState) -> None:
    newcomers(state, "one", "other")
    seeds = range(30)
    first = {item for seed in seeds for item in drawn(slate_of(state, seed, k=5, one=2))}
    assert first == {"one", "other"}
    then = {item for seed in seeds for item in drawn(slate_of(state, seed, k=5, one=3))}
    assert then == {"other"}


def test_the_same_request_draws_the_same(state: ModelState) -> None:
    newcomers(state, "a", "b", "c")
    assert slate_of(state, 7) == slate_of(state, 7)
    assert len({tuple(drawn(slate_of(state, seed))) for seed in range(20)}) > 1


def test_without_new_items_little_known_ones_are_sampled(state: ModelState) -> None:
    state.items.newest.clear()
    rules = SlateRules(explore_every=5, guaranteed_impressions=50)  # all have fewer events
    chosen: Counter[str] = Counter()
    for seed in range(100):
        slate = slate_of(state, seed, rules=rules)
        assert len(drawn(slate)) == 2
        chosen.update(drawn(slate))
        for item in slate.items:
            if item.rules:
                assert 1 / DRAWINGS <= item.propensity <= 1
    assert len(chosen) > 4


def test_who_is_shown_in_vain_is_sampled_less(state: ModelState) -> None:
    state.items.newest.clear()
    rules = SlateRules(explore_every=5, guaranteed_impressions=50)
    first = Counter(i for seed in range(60) for i in drawn(slate_of(state, seed, rules=rules)))
    [(favourite, before)] = first.most_common(1)
    later = [slate_of(state, seed, rules=rules, **{favourite: 100_000}) for seed in range(60)]
    assert Counter(i for slate in later for i in drawn(slate))[favourite] < before / 2


def test_a_pin_wins_over_exploration(state: ModelState) -> None:
    newcomers(state, "new")
    pinned = SlateRules(explore_every=5, guaranteed_impressions=3, pins={4: "i30"})
    slate = slate_of(state, 1, rules=pinned)
    assert slate.items[4].item_id == "i30"
    assert slate.items[9].item_id == "new"


def test_exploring_writes_nothing_into_the_model(state: ModelState) -> None:
    slate_of(state, 1)
    assert differences(state, reload(KEPT)) == []


def test_counts_of_impressions_are_bounded() -> None:
    explorer = Explorer(most_items=3)
    explorer.served(["a", "b", "a", "c"])
    explorer.served(["d"])
    assert dict(explorer.impressions) == {"a": 2, "c": 1, "d": 1}
