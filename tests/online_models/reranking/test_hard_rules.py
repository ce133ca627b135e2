"""No slate ever breaks a hard rule, whatever the catalogue, history, settings, overrides, pins."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models.recommender import Recommender, Slate
from online_models.reranking.exploring import Exploration
from online_models.reranking.permit import barring, permit
from online_models.state import ModelState
from schemas.errors import ModelLogBroken
from schemas.events import ItemUpdate
from schemas.examples import Query
from schemas.model_log import Describe, Publish, Put
from schemas.slate_rules import SlateRules
from serving import scorer_pb2 as pb
from serving.degrade import Ladder
from serving.follow import Follower
from serving.overrides import overridden
from serving.replica import Replica, Update
from serving.store import MemoryStore
from tests.builders import SMALL, chains, learn, over_the_wire, reload

IDS = [f"i{n}" for n in range(40)]
PLACES = ["de", "at", ""]
KEPT = learn(chains(900)).state

some = st.lists(st.sampled_from([*IDS, "unknown"]), max_size=30, unique=True)
names = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2, unique=True).map(tuple)
regions = st.lists(st.sampled_from(["de", "at", "ch"]), max_size=2, unique=True).map(tuple)
ages = st.one_of(
    st.integers(-5, 120), st.floats(), st.booleans(), st.sampled_from(["17", "18.0", "old", "nan"])
)
words = st.builds(
    ItemUpdate,
    item_id=st.sampled_from([*IDS, "unknown"]),
    deleted=st.sampled_from([False, False, False, True]),
    in_stock=st.sampled_from([True, True, True, False]),
    categories=names,
    min_age=st.sampled_from([0, 0, 16, 18]),
    regions=regions,
    blocked_regions=regions,
    seller_id=st.sampled_from([None, "s", "t"]),
    sponsored=st.sampled_from([False, False, True]),
)
contexts = st.fixed_dictionaries(
    {}, optional={"age": ages, "region": st.sampled_from([*PLACES, 7]), "device": st.just("tv")}
)
shares = st.floats(0, 1)
rules = st.builds(
    SlateRules,
    category_share=shares,
    seller_share=shares,
    diversity=shares,
    freshness=st.floats(0, 100),
    pins=st.dictionaries(st.integers(0, 50), st.sampled_from([*IDS, "unknown"]), max_size=5),
    sponsored=some.map(tuple),
    most_sponsored=st.integers(0, 5),
    sponsored_from=st.integers(0, 8),
    explore_every=st.integers(0, 12),
    guaranteed_impressions=st.sampled_from([0, 50, 1_000]),
    blocked_items=some.map(lambda items: frozenset(items[:5])),
    blocked_categories=names.map(frozenset),
)
overrides = st.builds(
    pb.SlateRules,
    category_share=st.none() | shares,
    seller_share=st.none() | shares,
    diversity=st.none() | shares,
    pins=st.dictionaries(st.integers(0, 50), st.sampled_from(IDS), max_size=5),
    sponsored=some,
    most_sponsored=st.none() | st.integers(0, 50),
    sponsored_from=st.none() | st.integers(0, 50),
    blocked_items=some.map(lambda items: items[:5]),
    blocked_categories=names,
)


def state_of(catalogue: list[ItemUpdate]) -> ModelState:
    state = reload(KEPT)
    state.progress = msgspec.structs.replace(state.progress, version=1)
    for word in catalogue:
        state.apply(Describe((word,)))
    return state


def broken(state: ModelState, slate: Slate, query: Query, given: SlateRules) -> list[str]:
    """Return what is wrong with a slate."""
    found = []
    for item in slate.items:
        word = state.items.catalogue.get(item.item_id)
        if name := barring(item.item_id, word, query, given):
            found.append(f"{item.item_id}: {name}")
    ids = [item.item_id for item in slate.items]
    if len(set(ids)) < len(ids):
        found.append("an item twice")
    return found


def sponsored_breaks(state: ModelState, slate: Slate, given: SlateRules) -> list[str]:
    """Return what is wrong with the sponsored items of a slate."""
    catalogue = state.items.catalogue
    paid = [
        place
        for place, item in enumerate(slate.items)
        if item.item_id in given.sponsored
        or (item.item_id in catalogue and catalogue[item.item_id].sponsored)
    ]
    labelled = [place for place, item in enumerate(slate.items) if item.sponsored]
    found = [] if paid == labelled else [f"{labelled} are labelled, {paid} are sponsored"]
    if len(paid) > given.most_sponsored:
        found.append("too many sponsored")
    if paid and paid[0] < given.sponsored_from:
        found.append("sponsored too high")
    return found


def break_model(replica: Replica, words: tuple[ItemUpdate, ...]) -> None:
    """Have an update fail half way, behind what it says of the catalogue."""
    progress = msgspec.structs.replace(
        replica.state.progress, version=replica.state.progress.version + 1
    )
    with pytest.raises(ModelLogBroken, match=r"no\.such"):
        replica.apply(Update((Publish(progress, (Describe(words), Put("no.such", b"", b""))),)))


def banned(catalogue: dict[str, ItemUpdate]) -> list[str]:
    """Return which items a stranger of unknown age and region may not see, or only as paid for."""
    stranger, plain = Query("", ""), SlateRules()
    return [i for i in IDS if barring(i, catalogue.get(i), stranger, plain)]


@settings(max_examples=120, deadline=None)
@given(
    catalogue=st.lists(words, max_size=45, unique_by=lambda word: word.item_id),
    history=some,
    seen=some,
    context=contexts,
    base=rules,
    said=overrides,
    k=st.integers(1, 45),
    seed=st.none() | st.integers(0, 2**128),
)
def test_no_slate_breaks_a_hard_rule(
    catalogue: list[ItemUpdate],
    history: list[str],
    seen: list[str],
    context: dict[str, object],
    base: SlateRules,
    said: pb.SlateRules,
    k: int,
    seed: int | None,
) -> None:
    state = state_of(catalogue)
    query = Query("u", "u", tuple(history), tuple(seen), context=context)
    given_rules = overridden(base, said)
    assert given_rules.most_sponsored <= base.most_sponsored
    assert given_rules.sponsored_from >= base.sponsored_from
    recommender = Recommender(state, base)
    exploration = None if seed is None else Exploration(seed, {"i1": 3, "i2": 60})
    slate = recommender.recommend(query, k, given_rules, exploration)
    assert broken(state, slate, query, given_rules) == []
    assert sponsored_breaks(state, slate, given_rules) == []

    allowed = [
        item
        for item in IDS
        if not barring(item, state.items.catalogue.get(item), query, given_rules)
    ]
    organic = [
        item
        for item in allowed
        if item not in given_rules.sponsored
        and not (item in state.items.catalogue and state.items.catalogue[item].sponsored)
    ]
    assert min(k, len(organic)) <= len(slate.items) <= min(k, len(allowed))

    asked = Query("", "", (history[0] if history else "i0",), context=context)
    similar = recommender.similar(asked.history[0], k, context, given_rules)
    assert broken(state, similar, asked, given_rules) == []


@settings(max_examples=50, deadline=None)
@given(
    catalogue=st.lists(words, max_size=45, unique_by=lambda word: word.item_id),
    later=st.lists(words, max_size=10, unique_by=lambda word: word.item_id),
    seen=some,
    context=contexts,
    given_rules=rules,
    k=st.integers(1, 45),
)
def test_the_last_good_list_breaks_no_hard_rule(
    catalogue: list[ItemUpdate],
    later: list[ItemUpdate],
    seen: list[str],
    context: dict[str, object],
    given_rules: SlateRules,
    k: int,
) -> None:
    replica = Replica(MemoryStore(), config=SMALL)
    replica.apply(Update(fresh=state_of(catalogue)))
    ladder = Ladder(Follower(replica))
    query = Query("u", "u", ("i1",), tuple(seen), context=context)
    ladder.recommend(query, k, [], given_rules)
    before = dict(replica.state.items.catalogue)
    break_model(replica, tuple(later))
    stages: list[str] = []
    slate = ladder.recommend(query, k, stages, given_rules)
    assert stages == ["last_good" if len(IDS) > len(banned(before)) else "no_model"]
    assert broken(replica.state, slate, query, given_rules) == []
    for item in slate.items:
        assert not barring(item.item_id, before.get(item.item_id), query, given_rules)
        assert item.item_id not in given_rules.sponsored
        assert not item.sponsored


@settings(max_examples=60, deadline=None)
@given(
    catalogue=st.lists(words, max_size=45, unique_by=lambda word: word.item_id),
    seen=some,
    context=contexts,
    given_rules=rules,
)
def test_what_is_said_of_all_rows_is_what_is_said_of_each(
    catalogue: list[ItemUpdate],
    seen: list[str],
    context: dict[str, object],
    given_rules: SlateRules,
) -> None:
    state = state_of(catalogue)
    query = Query("u", "u", (), tuple(seen), context=context)
    rows = state.items.rows()
    allowed = permit(state.items, query, given_rules).allows(rows)
    for row, may in zip(rows.tolist(), allowed.tolist(), strict=True):
        item_id = state.items.id_of(row)
        word = state.items.catalogue.get(item_id)
        assert may == (not barring(item_id, word, query, given_rules)), item_id


@pytest.mark.parametrize(
    ("word", "context", "name"),
    [
        ({"deleted": True}, {}, "deleted"),
        ({"in_stock": False}, {}, "out_of_stock"),
        ({"min_age": 18}, {"age": "18"}, ""),
        ({"min_age": 18}, {"age": 17.9}, "min_age"),
        ({"min_age": 18}, {}, "min_age"),
        ({"min_age": 1}, {"age": True}, "min_age"),
        ({"min_age": 18}, {"age": "inf"}, "min_age"),
        ({"min_age": 18}, {"age": 10**400}, "min_age"),
        ({"regions": ("de",)}, {"region": "de"}, ""),
        ({"regions": ("de",)}, {"region": "at"}, "region"),
        ({"regions": ("de",)}, {}, "region"),
        ({"blocked_regions": ("de",)}, {"region": "at"}, ""),
        ({"blocked_regions": ("de",)}, {"region": "de"}, "blocked_region"),
        ({"blocked_regions": ("de",)}, {}, "blocked_region"),
        ({"categories": ("a", "b")}, {}, "blocked_category"),
        ({}, {}, ""),
    ],
)
def test_what_bars_an_item_is_named(
    word: dict[str, object], context: dict[str, object], name: str
) -> None:
    update = ItemUpdate(item_id="i", **word)  # type: ignore[arg-type]
    query = Query("u", "u", context=context)
    given_rules = SlateRules(blocked_categories=frozenset("b"))
    assert barring("i", update, query, given_rules) == name


def test_age_and_region_are_told_by_the_fields_that_the_settings_name() -> None:
    word = ItemUpdate(item_id="i", min_age=18, regions=("de",))
    query = Query("u", "u", context={"years": 20, "land": "de"})
    told = SlateRules(age_field="years", region_field="land")
    assert barring("i", word, query, SlateRules()) == "min_age"
    assert barring("i", word, query, told) == ""


def test_a_replica_made_of_a_base_bars_the_same() -> None:
    state = state_of([ItemUpdate(item_id=i, min_age=18, categories=("a",)) for i in IDS[:35]])
    copy = ModelState(serve_only=True)
    copy.apply_publish(over_the_wire(state.snapshot()))
    query = Query("u", "u", ("i3",))
    slates = [Recommender(one).recommend(query, 40) for one in (state, copy)]
    assert slates[0] == slates[1]
    assert {item.item_id for item in slates[0].items} == set(IDS[35:])
    grown_up = msgspec.structs.replace(query, context={"age": 18})
    assert len(Recommender(copy).recommend(grown_up, 40).items) == 40
