from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models.agreed import EVERYTHING
from online_models.contexts import MOST, WINDOW_EVENTS, Contexts
from schemas.examples import Example, Query
from schemas.model_config import HOUR_MS
from tests.builders import START_MS, Stream, learn, learner, small


def made(slots: int = 4) -> Contexts:
    contexts = Contexts(HOUR_MS, slots=slots)
    contexts.counts.grow(10)
    contexts.landmarks.move(START_MS)
    return contexts


def sight(contexts: Contexts, context: dict[str, object], times: int = 1) -> None:
    for _ in range(times):
        for key, field, slot in contexts.wanted(context):  # type: ignore[arg-type]
            for entry in contexts.give(key, field, slot):
                table = contexts.counts if entry.table == contexts.counts.name else contexts.totals
                np.ldexp(table.array[..., slot], -entry.exponent, out=table.array[..., slot])


def test_a_frequent_value_of_any_field_is_followed() -> None:
    contexts = made()
    sight(contexts, {"device": "phone", "region": 13}, times=20)
    assert len(contexts.slots_of({"device": "phone"})) == 1
    assert len(contexts.slots_of({"device": "phone", "region": 13})) == 2
    assert len(contexts.slots_of({"device": "desk", "region": "x"})) == 0
    assert len(contexts.slots_of({})) == 0


def test_the_same_value_of_another_field_is_another() -> None:
    contexts = made()
    sight(contexts, {"device": "1"}, times=20)
    assert len(contexts.slots_of({"region": "1"})) == 0


@pytest.mark.parametrize(("sent", "asked"), [(13, "13"), (True, "true"), ("13", 13)])
def test_a_request_s_text_is_as_good_as_an_event_s_number(sent: object, asked: object) -> None:
    contexts = made()
    sight(contexts, {"region": sent}, times=20)
    assert len(contexts.slots_of({"region": asked})) == 1  # type: ignore[dict-item]


def test_values_of_one_event_each_are_not_followed() -> None:
    contexts = made(slots=64)
    for n in range(5_000):
        sight(contexts, {"address": f"10.0.{n}"})
    assert np.count_nonzero(contexts.keys.array) == 0


def test_a_value_that_comes_much_more_often_takes_the_rarest_one_s_place() -> None:
    contexts = made(slots=2)
    sight(contexts, {"page": "home"}, times=40)
    sight(contexts, {"page": "old"}, times=20)
    [old] = contexts.slots_of({"page": "old"})
    contexts.counts.array[3, old] = contexts.totals.array[old] = 5
    sight(contexts, {"page": "new"}, times=35)
    assert len(contexts.slots_of({"page": "new"})) == 0
    sight(contexts, {"page": "new"}, times=10)
    assert contexts.slots_of({"page": "new"}).tolist() == [old]
    assert len(contexts.slots_of({"page": "old"})) == 0
    assert len(contexts.slots_of({"page": "home"})) == 1
    assert not contexts.counts.array.any()
    assert not contexts.totals.array.any()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(max_size=2), st.integers(0, 3), max_size=12), max_size=60),
    st.integers(1, 20),
)
def test_slots_are_bounded_distinct_and_never_the_one_of_all_events(
    events: list[dict[str, int]], slots: int
) -> None:
    contexts = made(slots=slots)
    for context in events * 3:
        sight(contexts, context)  # type: ignore[arg-type]
        found = contexts.slots_of(context).tolist()
        assert found == sorted(set(found))[:MOST]
        assert EVERYTHING not in found
        assert all(slot <= slots for slot in found)
    keys = contexts.keys.array[contexts.keys.array != 0].tolist()
    assert len(keys) == len(set(keys)) <= slots


def test_the_sketch_forgets() -> None:
    contexts = made()
    sight(contexts, {"a": 1}, times=30)
    before = contexts.sketch.array.max()
    sight(contexts, {"b": 1}, times=4_096)
    assert contexts.sighted.array[0] < 4_096
    assert contexts._seen(contexts._key("a", 1)) == before / 2


def news(events: int, *, places: int = 2) -> list[Example]:
    """Return units of three clicks: which item of a pair comes next depends on the place alone."""
    rng, stream = np.random.default_rng(0), Stream()
    for n in range(events // 3):
        place, pair = int(rng.integers(places)), 0
        for k in range(3):
            pair = int(rng.integers(8)) if k == 0 else (pair + 1) % 8
            item = f"i{places * pair + place}" if k else f"start{pair}"
            stream.add(f"s{n}", item, START_MS + n * 2_000 + k, context={"place": place, "id": n})
    return stream.examples


def test_an_item_s_lift_is_how_much_larger_its_share_is_where_the_value_holds() -> None:
    stream = Stream()
    for n in range(4_000):
        place = n % 2
        item = "here" if place and n % 4 == 1 else "all"
        stream.add(f"s{n}", item, START_MS, context={"place": place})
    state = learn(stream.examples).state
    rows = np.array(state.items.rows_of(["here", "all"]))
    slots = [int(state.contexts.slots_of({"place": place})[0]) for place in (0, 1)]
    lifts = state.contexts.lifts(rows, np.array(slots), START_MS)
    wanted = [[0, 0.5 / 0.25], [1 / 0.75, 0.5 / 0.75]]
    np.testing.assert_allclose(np.exp(lifts), wanted, atol=0.05)


def test_with_few_events_there_is_no_lift_to_speak_of() -> None:
    stream = Stream()
    for n in range(200):
        stream.add(f"s{n}", f"i{n % 2}", START_MS, context={"place": "a"})
    state = learn(stream.examples).state
    later_ms = START_MS + 100 * int(HOUR_MS)
    slots = state.contexts.slots_of({"place": "a"})
    assert np.abs(state.contexts.lifts(np.array([0, 1]), slots, later_ms)).max() < 0.01


def test_items_that_are_unknown_where_the_value_holds_are_lowered() -> None:
    learning = learn(news(1_500))
    state = learning.state
    slots = state.contexts.slots_of({"place": 0})
    rows = np.array(state.items.rows_of(["i2", "i3"]))
    here, elsewhere = state.contexts.lifts(rows, slots, float(state.progress.time_ms))[:, 0]
    assert here > 0 > elsewhere


@pytest.fixture(scope="module")
def hit_rates() -> dict[bool, float]:
    """The share of the next items that are first, with the context and without it."""
    found = {}
    for told in (True, False):
        examples = news(6_000)
        if not told:
            examples = [without_context(example) for example in examples]
        config = small(dimensions=16, hidden=8, neighbours=20)
        learning = learner(config, micro_batch=32)
        learning.learn_many(examples[:-600])
        asked = [e for e in examples[-600:] if not e.opens_unit]
        hits = 0
        for example in asked:
            slate = learning.recommender.recommend(example.query, 1)
            hits += slate.items[0].item_id == example.item_id
        found[told] = hits / len(asked)
    return found


def without_context(example: Example) -> Example:
    query = example.query
    bare = Query(query.user_id, query.unit_key, query.history, query.seen, query.time_ms)
    return Example(
        query=bare,
        item_id=example.item_id,
        kind=example.kind,
        weight=example.weight,
        time_ms=example.time_ms,
        opens_unit=example.opens_unit,
        offset=example.offset,
    )


def test_where_the_context_decides_the_learner_beats_one_that_does_not_know_it(
    hit_rates: dict[bool, float],
) -> None:
    assert hit_rates[False] < 0.8
    assert hit_rates[True] > 0.95


def test_who_has_no_history_gets_what_trends_where_the_context_holds() -> None:
    stream = Stream()
    for n in range(1_200):
        place = n % 3 == 0
        item = "there" if place else "all"
        stream.add(f"s{n}", item, START_MS, context={"place": place})
    recommender = learn(stream.examples).recommender
    firsts = [
        recommender.recommend(Query("u", "u", context=context), 1).items[0].item_id
        for context in ({"place": "true"}, {"place": "false"}, {"place": "elsewhere"}, {})
    ]
    assert firsts == ["there", "all", "all", "all"]


def test_values_that_compare_equal_are_told_apart_however_often_they_come() -> None:
    contexts = Contexts(HOUR_MS)
    contexts.keys.array[[1, 2]] = [contexts._key("x", 1), contexts._key("x", True)]
    contexts.touch()
    for _ in range(2):
        assert contexts.slots_of({"x": 1}).tolist() == [1]
        assert contexts.slots_of({"x": True}).tolist() == [2]
        assert contexts.slots_of({"x": 1.0}).tolist() == []


def test_contexts_that_were_looked_up_are_forgotten_before_they_are_too_many() -> None:
    contexts = Contexts(HOUR_MS)
    for n in range(WINDOW_EVENTS + 10):
        contexts.slots_of({"id": n})
    assert len(contexts._found) == 10


def test_a_slot_that_changes_hands_teaches_nothing_of_the_value_before() -> None:
    stream, changed = Stream(), 0
    for n in range(900):
        value = "rare" if n % 10 == 0 or n < 60 else "often"
        stream.add(f"s{n // 4}", f"i{n % 30}", START_MS + n, context={"place": value})
    learning = learner(small(context_slots=1), micro_batch=64)
    keys = learning.state.contexts.keys.array
    for example in stream.examples:
        held, before = int(keys[1]), learning.pending
        learning.learn_many([example])
        if held and keys[1] != held and 0 < before < learning.pending:
            changed += 1
            assert not (learning._batch.examples.asked[:before] == 1).any()
    assert changed
