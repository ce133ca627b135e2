"""Events into user states, examples and queries."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from online_models.history import REFUSED, keys_of
from online_models.sessions import Absorbed, absorb, query_of
from schemas.events import DEFAULT_KIND_WEIGHTS, Interaction
from schemas.examples import Example, Query
from schemas.user_codec import decode_user, encode_user
from schemas.user_state import StreamRules, UserState

START_MS = 1_760_000_000_000
MINUTE_MS = 60_000
UNBOUNDED = {"history_length": 1_000, "recent_ids": 1_000, "open_sessions": 1_000}


def rules(**changes: Any) -> StreamRules:
    return StreamRules(kind_weights=DEFAULT_KIND_WEIGHTS, **changes)


def event(n: int, *, minutes: float = 0.0, **changes: Any) -> Interaction:
    fields: dict[str, Any] = {
        "event_id": f"e{n}",
        "user_id": "ann",
        "item_id": f"i{n}",
        "kind": "click",
        "time_ms": START_MS + int(minutes * MINUTE_MS),
        "context": {"page": str(n)},
    }
    return Interaction(**{**fields, **changes})


def run(
    events: Sequence[Interaction],
    given_rules: StreamRules,
    state: UserState | None = None,
    *,
    first: int = 0,
    contained: bool = False,
) -> list[Absorbed]:
    """Absorb events at the offsets that follow ``first``."""
    absorbed = []
    for offset, one in enumerate(events, first):
        outcome = absorb(
            state, one, given_rules, topic="t", partition=0, offset=offset, contained=contained
        )
        absorbed.append(outcome)
        state = outcome.state
    return absorbed


def histories(absorbed: Sequence[Absorbed]) -> list[tuple[str, ...] | None]:
    return [one.example.query.history if one.example else None for one in absorbed]


def refused(absorbed: Sequence[Absorbed]) -> int:
    return sum(one.example is None for one in absorbed)


def state_after(events: Sequence[Interaction], given_rules: StreamRules) -> UserState:
    state = run(events, given_rules)[-1].state
    assert state is not None
    return state


# ---- sessions -------------------------------------------------------------------------------


def test_the_first_event_of_a_session_knows_nothing() -> None:
    [first] = run([event(0)], rules())
    assert first.example is not None
    query = first.example.query
    assert first.example.opens_unit
    assert (query.history, query.time_ms, query.context, query.seen) == ((), None, {}, ())


def test_a_gap_ends_a_session_that_has_no_id() -> None:
    events = [event(0), event(1, minutes=30), event(2, minutes=60.01)]
    assert histories(run(events, rules())) == [(), ("i0",), ()]


def test_a_producers_session_id_outlasts_any_gap() -> None:
    events = [event(0, session_id="s"), event(1, minutes=600, session_id="s")]
    assert histories(run(events, rules())) == [(), ("i0",)]


def test_a_user_may_alternate_between_open_sessions() -> None:
    keys = ["phone", "laptop", "phone", "laptop"]
    events = [event(n, minutes=n, session_id=key) for n, key in enumerate(keys)]
    absorbed = run(events, rules())
    assert histories(absorbed) == [(), (), ("i0",), ("i1",)]
    assert absorbed[2].example is not None
    assert absorbed[2].example.query.context == {"page": "0"}
    assert absorbed[2].example.query.time_ms == START_MS


def test_the_session_that_was_silent_longest_is_closed() -> None:
    keys = ["a", "b", "c", "a"]
    events = [event(n, minutes=n, session_id=key) for n, key in enumerate(keys)]
    absorbed = run(events, rules(open_sessions=2))
    assert histories(absorbed)[-1] == ()
    assert absorbed[-1].example is not None
    assert absorbed[-1].example.opens_unit


def test_events_without_a_session_id_do_not_join_sessions_that_have_one() -> None:
    events = [event(0, session_id="s"), event(1, minutes=1), event(2, minutes=2)]
    assert histories(run(events, rules())) == [(), (), ("i1",)]


def test_an_event_that_comes_out_of_order_joins_the_session_it_happened_in() -> None:
    events = [event(0), event(1, minutes=45), event(2, minutes=3)]
    absorbed = run(events, rules())
    assert histories(absorbed) == [(), (), ("i0",)]
    state = absorbed[-1].state
    assert state is not None
    assert [(v.item_id, v.session) for v in state.history] == [("i0", 0), ("i2", 0), ("i1", 1)]
    # Its session is not the newest one for that.
    assert query_of(
        state, rules(), user_id="ann", time_ms=START_MS + 46 * MINUTE_MS, context={}
    ).history == ("i1",)


def test_an_event_that_comes_out_of_order_and_far_from_any_opens_a_session() -> None:
    events = [event(0), event(1, minutes=65), event(2, minutes=33)]
    assert histories(run(events, rules())) == [(), (), ()]


def test_an_event_before_its_whole_session_opens_it() -> None:
    events = [event(0, minutes=5), event(1)]
    absorbed = run(events, rules())
    assert absorbed[1].example is not None
    assert absorbed[1].example.opens_unit
    assert absorbed[1].state is not None
    assert {v.session for v in absorbed[1].state.history} == {0}


def test_a_session_that_was_stored_under_its_id_goes_on() -> None:
    state = run([event(0, session_id="a")], rules())[-1].state
    assert state is not None
    [session] = state.sessions
    before = msgspec.structs.replace(session, key="a")
    state = msgspec.structs.replace(state, sessions=(before,))
    after = run([event(1, session_id="a")], rules(), state, first=1)[-1].state
    assert after is not None
    assert [session.length for session in after.sessions] == [2]


def test_the_context_of_a_session_that_was_closed_is_gone() -> None:
    some = rules(unit="user", open_sessions=1)
    events = [event(0, minutes=5, session_id="a"), event(1, session_id="b"), event(2, minutes=5)]
    state = run(events[:2], some)[-1].state
    assert state is not None
    assert [session.key for session in state.sessions] == [keys_of("a")[0]]
    [last] = run(events[2:], some, state, first=2)
    assert last.example is not None
    assert last.example.query.context == {"page": "0"}
    closed = msgspec.structs.replace(state, sessions=())
    [last] = run(events[2:], some, closed, first=2)
    assert last.example is not None
    assert last.example.query.context == {}


def opening(absorbed: Sequence[Absorbed]) -> Query:
    last = absorbed[-1].example
    assert last is not None
    assert last.opens_unit
    return last.query


def test_what_opens_a_session_is_asked_for_with_the_context_of_the_one_before() -> None:
    events = [event(0), event(1, minutes=1), event(2, minutes=600)]
    query = opening(run(events, rules()))
    assert (query.context, query.time_ms, query.history) == ({"page": "1"}, None, ())
    keys = ["phone", "laptop", "phone", "tv"]
    events = [event(n, minutes=n, session_id=key) for n, key in enumerate(keys)]
    assert opening(run(events, rules())).context == {"page": "2"}


def test_what_opens_a_session_out_of_order_is_told_no_later_events_context() -> None:
    events = [event(0, session_id="a"), event(1, minutes=9, session_id="a")]
    query = opening(run([*events, event(2, minutes=5, session_id="b")], rules()))
    assert (query.context, query.earlier) == ({}, ("i0",))


def test_what_opens_a_session_again_when_replayed_is_told_no_context() -> None:
    events = [event(0), event(1, minutes=600)]
    state = state_after(events, rules())
    query = opening(run(events[1:], rules(), state, first=1, contained=True))
    assert (query.context, query.earlier) == ({}, ("i0",))


def earlier(absorbed: Sequence[Absorbed]) -> list[tuple[str, ...] | None]:
    return [one.example.query.earlier if one.example else None for one in absorbed]


def test_of_sessions_side_by_side_each_is_told_the_others_items() -> None:
    keys = ["phone", "laptop", "phone", "laptop", "phone"]
    events = [event(n, minutes=n, session_id=key) for n, key in enumerate(keys)]
    absorbed = run(events, rules())
    assert histories(absorbed) == [(), (), ("i0",), ("i1",), ("i0", "i2")]
    assert earlier(absorbed) == [(), ("i0",), ("i1",), ("i0", "i2"), ("i1", "i3")]


def test_an_event_out_of_order_is_told_of_other_sessions_what_precedes_it() -> None:
    keys = ["phone", "laptop", "phone"]
    events = [event(n, minutes=2 * n, session_id=key) for n, key in enumerate(keys)]
    late = event(3, minutes=3, session_id="laptop")
    too_late = event(4, minutes=-90, session_id="tv")
    after = event(5, minutes=5, session_id="laptop")
    absorbed = run([*events, late, too_late, after], rules())
    assert histories(absorbed)[3:] == [("i1",), None, ("i1", "i3")]
    assert earlier(absorbed)[3:] == [("i0",), None, ("i0", "i2")]


def test_a_query_for_users_spans_their_sessions() -> None:
    events = [event(0), event(1, minutes=1), event(2, minutes=600)]
    last = run(events, rules(unit="user"))[-1].example
    assert last is not None
    assert last.query.history == ("i0", "i1")
    assert last.query.seen == ("i0", "i1")
    assert last.query.unit_key == "ann"
    assert last.query.time_ms == START_MS + MINUTE_MS
    assert last.query.context == {"page": "1"}


# ---- what is refused, and what teaches nothing ----------------------------------------------


def test_a_repeated_event_id_is_a_duplicate() -> None:
    absorbed = run([event(0), event(1, minutes=1), event(0, minutes=2)], rules())
    assert [one.verdict for one in absorbed] == ["accepted", "accepted", "duplicate"]
    assert absorbed[-1].example is None
    assert absorbed[-1].state is not None
    assert absorbed[1].state is not None
    assert absorbed[-1].state.history == absorbed[1].state.history


def test_only_the_last_event_ids_are_known() -> None:
    events = [event(0), *[event(n, minutes=n) for n in range(1, 4)], event(0, minutes=5)]
    assert run(events, rules(recent_ids=3))[-1].verdict == "accepted"
    assert run(events, rules(recent_ids=4))[-1].verdict == "duplicate"
    assert run([event(0), event(0)], rules(recent_ids=0))[-1].verdict == "accepted"


def test_lateness_is_judged_against_the_users_own_newest_event() -> None:
    events = [event(0, minutes=60), event(1), event(2, minutes=-0.01)]
    absorbed = run(events, rules())
    assert [one.verdict for one in absorbed] == ["accepted", "accepted", "late"]
    assert absorbed[-1].example is None


def test_an_interaction_of_kind_impression_does_not_make_others_late() -> None:
    events = [event(0), event(1, minutes=600, kind="impression"), event(2, minutes=1)]
    assert [one.verdict for one in run(events, rules())] == ["accepted"] * 3
    events[1] = event(1, minutes=600, kind="skip")
    assert run(events, rules())[-1].verdict == "late"


def test_kinds_without_weight_leave_no_visit_but_are_handed_on() -> None:
    absorbed = run([event(0), event(1, minutes=1, kind="skip"), event(1, minutes=2)], rules())
    skipped, repeated = absorbed[1], absorbed[2]
    assert skipped.example is not None
    assert skipped.example.weight == 0
    assert skipped.state is not None
    assert [v.item_id for v in skipped.state.history] == ["i0"]
    assert repeated.verdict == "duplicate"


def test_a_kind_without_weight_neither_opens_nor_prolongs_a_session() -> None:
    events = [event(0, kind="skip"), event(1, minutes=25, kind="skip"), event(2, minutes=50)]
    assert run(events, rules())[-1].example == run([events[-1]], rules(), first=2)[-1].example
    events = [event(0), event(1, minutes=25, kind="skip"), event(2, minutes=50)]
    assert histories(run(events, rules()))[-1] == ()


def test_disliked_items_are_never_to_be_recommended() -> None:
    absorbed = run(
        [event(0), event(1, kind="dislike"), event(2), event(1, kind="dislike")], rules()
    )
    assert absorbed[2].example is not None
    assert absorbed[2].example.query.seen == ("i1",)
    again = run([event(3, item_id="i1", kind="dislike")], rules(), absorbed[2].state, first=3)
    assert again[0].state is not None
    assert again[0].state.disliked == ("i1",)


def test_a_value_and_a_weight_travel_with_the_example() -> None:
    [one] = run([event(0, kind="purchase", value=9.5)], rules())
    assert one.example is not None
    assert (one.example.weight, one.example.value, one.example.kind) == (5.0, 9.5, "purchase")


# ---- bounds ---------------------------------------------------------------------------------


def test_everything_that_is_kept_of_a_user_is_bounded() -> None:
    bounds = rules(unit="user", history_length=5, older_length=7, open_sessions=3, recent_ids=4)
    events = [
        event(n, minutes=n, session_id=f"s{n}", kind="dislike" if n % 2 else "click")
        for n in range(300)
    ]
    state: UserState | None = None
    for offset, one in enumerate([*events, *events[-4:] * 10]):
        source = f"t{offset // 25}"
        state = absorb(
            state, one, bounds, topic=source, partition=0, offset=offset, contained=False
        ).state
    assert state is not None
    assert len(state.history) == 5
    assert len(state.older) == 7
    assert len(state.sessions) == 3
    assert len(state.recent_ids) == 4
    assert len(state.disliked) == 100
    assert len(state.origins) == 8
    assert len(state.refused) == 16


def test_items_that_left_the_history_stay_excluded() -> None:
    events = [event(n, minutes=n) for n in range(6)]
    last = run(events, rules(unit="user", history_length=2, older_length=2))[-1].example
    assert last is not None
    assert last.query.history == ("i3", "i4")
    assert set(last.query.seen) == {"i1", "i2", "i3", "i4"}


def test_what_left_the_history_is_kept_only_where_it_is_asked_for() -> None:
    events = [event(n, minutes=n, session_id="s") for n in range(6)]
    assert state_after(events, rules(history_length=2)).older == ()
    kept = state_after(events, rules(history_length=2, repeats="exclude"))
    assert [item for item, _ in kept.older] == ["i0", "i1", "i2", "i3"]
    other = [event(n, minutes=n, session_id=f"o{n}") for n in range(6, 10)]
    bounded = rules(history_length=2, repeats="exclude", open_sessions=2)
    assert {session for _, session in state_after(events + other, bounded).older} <= {2, 3}


def test_a_visit_older_than_the_whole_history_leaves_it_at_once() -> None:
    events = [event(n, minutes=10 + n) for n in range(2)] + [event(2)]
    absorbed = run(events, rules(unit="user", history_length=2))
    assert absorbed[-1].state is not None
    assert [v.item_id for v in absorbed[-1].state.history] == ["i0", "i1"]
    assert absorbed[-1].state.older == (("i2", 0),)


def test_a_source_that_is_known_stays_where_it_is() -> None:
    state = state_after([event(0), event(1, minutes=1)], rules())
    assert state.origins == (("t", 0),)
    assert [visit.origin for visit in state.history] == [0, 0]


def test_visits_of_a_source_that_was_forgotten_keep_their_place() -> None:
    state: UserState | None = None
    for number in range(10):
        one = event(number, minutes=number)
        state = absorb(
            state, one, rules(), topic=f"t{number}", partition=0, offset=5, contained=False
        ).state
    assert state is not None
    assert [v.item_id for v in state.history] == [f"i{n}" for n in range(10)]
    assert [v.origin for v in state.history] == [-1, -1, *range(8)]
    assert state.origins[0] == ("t2", 0)
    assert decode_user("ann", encode_user(state)) == state


# ---- serving --------------------------------------------------------------------------------


def test_a_user_without_a_state_has_an_empty_query() -> None:
    query = query_of(None, rules(), user_id="bob", time_ms=START_MS, context={"a": 1})
    assert (query.user_id, query.history, query.seen) == ("bob", (), ())
    assert (query.time_ms, query.context) == (START_MS, {"a": 1})


def test_a_request_after_the_gap_starts_anew() -> None:
    state = state_after([event(0)], rules())
    within = query_of(state, rules(), user_id="ann", time_ms=START_MS + 30 * MINUTE_MS, context={})
    after = query_of(
        state, rules(), user_id="ann", time_ms=START_MS + 30 * MINUTE_MS + 1, context={}
    )
    assert (within.history, after.history) == (("i0",), ())
    assert within.unit_key != after.unit_key


def test_a_request_without_a_session_id_is_for_the_newest_session() -> None:
    keys = ["a", "b", "a", "b"]
    state = state_after([event(n, session_id=key) for n, key in enumerate(keys)], rules())
    far = START_MS + 10_000 * MINUTE_MS
    assert query_of(state, rules(), user_id="ann", time_ms=far, context={}).history == ("i1", "i3")
    asked = query_of(state, rules(), user_id="ann", time_ms=far, context={}, session_id="a")
    assert asked.history == ("i0", "i2")
    unknown = query_of(state, rules(), user_id="ann", time_ms=far, context={}, session_id="z")
    assert unknown.history == ()


# ---- whatever the stream ---------------------------------------------------------------------


@st.composite
def streams(draw: st.DrawFn, *, with_ids: bool | None = None) -> list[Interaction]:
    """Events of one user: out of order, late, repeated, with and without sessions."""
    ids = st.booleans() if with_ids is None else st.just(with_ids)
    return [
        event(
            draw(st.integers(0, n)) if draw(st.integers(0, 5)) == 0 else n,
            minutes=draw(st.integers(-90, 300)),
            kind=draw(st.sampled_from(["click", "view", "skip", "dislike", "impression"])),
            session_id=draw(st.sampled_from(["a", "b", "c"])) if draw(ids) else None,
            item_id=f"i{draw(st.integers(0, 8))}",
            context={"page": str(n)},
        )
        for n in range(draw(st.integers(1, 25)))
    ]


any_rules = st.builds(
    lambda unit, repeats: rules(unit=unit, repeats=repeats, **UNBOUNDED),
    st.sampled_from(["user", "session"]),
    st.sampled_from(["allow", "exclude"]),
)


@given(streams(), any_rules)
def test_sessions_partition_the_history(events: list[Interaction], some: StreamRules) -> None:
    absorbed = run(events, some)
    state = absorbed[-1].state
    assert state is not None
    lengths = {session.ordinal: session.length for session in state.sessions}
    for ordinal, length in lengths.items():
        assert sum(visit.session == ordinal for visit in state.history) == length
    assert sum(lengths.values()) == len(state.history)
    taught = sum(one.example is not None and one.example.weight > 0 for one in absorbed)
    assert len(state.history) == taught
    assert list(state.history) == sorted(state.history, key=lambda visit: visit.time_ms)
    newest = [session.newest_ms for session in state.sessions]
    assert newest == sorted(newest)


@given(streams(with_ids=False))
def test_a_session_cut_by_gaps_has_none_within(events: list[Interaction]) -> None:
    state = run(events, rules(**UNBOUNDED))[-1].state
    assert state is not None
    by_session: dict[int, list[int]] = {}
    for visit in state.history:
        by_session.setdefault(visit.session, []).append(visit.time_ms)
    for times in by_session.values():
        assert all(b - a <= 30 * MINUTE_MS for a, b in pairwise(times))


@given(streams(), any_rules, st.data())
def test_replaying_what_is_contained_gives_the_same_examples(
    events: list[Interaction], some: StreamRules, data: st.DataObject
) -> None:
    original = run(events, some)
    assume(refused(original) <= REFUSED)
    state = original[-1].state
    first = data.draw(st.integers(0, len(events) - 1))
    replayed = run(events[first:], some, state, first=first, contained=True)
    for before, again in zip(original[first:], replayed, strict=True):
        assert again.state is state
        assert (again.example is None) == (before.example is None)
        if before.example is not None and before.example.weight > 0:
            assert again.example is not None
            assert _but_context(again.example) == _but_context(before.example)


def _but_context(example: Example) -> Example:
    # What is disliked now may have been disliked later, too.
    history = example.query.history
    query = msgspec.structs.replace(example.query, context={}, seen=(), history=history)
    return msgspec.structs.replace(example, query=query)


@given(streams(), st.sampled_from(["user", "session"]), st.integers(1, 4))
def test_replays_hand_on_what_was_accepted_even_where_it_left_the_history(
    events: list[Interaction], unit: str, length: int
) -> None:
    some = rules(unit=unit, history_length=length, recent_ids=1_000)
    original = run(events, some)
    assume(refused(original) <= REFUSED)
    replayed = run(events, some, original[-1].state, contained=True)
    assert [one.example is None for one in replayed] == [one.example is None for one in original]


def test_a_replay_tells_a_broken_producers_repeats_from_events() -> None:
    events = [event(0), *[event(0, minutes=1)] * 40, event(1, minutes=2)]
    state = state_after(events, rules())
    replayed = run(events, rules(), state, contained=True)
    assert [one.example is not None for one in replayed] == [True, *[False] * 40, True]


def test_events_from_before_a_user_was_forgotten_are_still_handed_on() -> None:
    events = [event(0), event(1, minutes=1)]
    gone = run(events, rules(), None, contained=True)
    assert histories(gone) == [(), ()]
    assert [one.state for one in gone] == [None, None]
    back = run([event(2, minutes=2)], rules(), None, first=2)[-1].state
    assert histories(run(events, rules(), back, contained=True)) == [(), ()]


@given(streams(), any_rules, st.data())
def test_the_learner_sees_the_request_that_serving_would_make(
    events: list[Interaction], some: StreamRules, data: st.DataObject
) -> None:
    events = sorted(events, key=lambda one: one.time_ms)
    state: UserState | None = None
    for offset, one in enumerate(events):
        outcome = absorb(state, one, some, topic="t", partition=0, offset=offset, contained=False)
        if outcome.example is not None:
            query = outcome.example.query
            keyed = state is not None and any(session.key for session in state.sessions)
            mixed = one.session_id is None and keyed
            if some.unit == "user" or not mixed:
                asked = query_of(
                    state,
                    some,
                    user_id=one.user_id,
                    time_ms=one.time_ms,
                    context={},
                    session_id=one.session_id,
                )
                same = msgspec.structs.replace(asked, time_ms=query.time_ms, context=query.context)
                assert same == query
        state = outcome.state


@given(streams(), any_rules)
def test_a_query_tells_the_context_of_an_event_that_came_before_and_was_no_later(
    events: list[Interaction], some: StreamRules
) -> None:
    for place, absorbed in enumerate(run(events, some)):
        if absorbed.example is not None and absorbed.example.query.context:
            told = events[int(str(absorbed.example.query.context["page"]))]
            assert told in events[:place]
            assert told.time_ms <= events[place].time_ms


@given(streams(), any_rules, st.data())
@settings(max_examples=50)
def test_nothing_of_an_event_reaches_its_own_query(
    events: list[Interaction], some: StreamRules, data: st.DataObject
) -> None:
    events = sorted(events, key=lambda one: one.time_ms)
    *before, last = events
    state = run(before, some)[-1].state if before else None
    other = msgspec.structs.replace(
        last,
        # Within the gap, as the gap itself tells which session it is.
        time_ms=last.time_ms + data.draw(st.integers(0, 1_000)),
        item_id="another",
        context={"secret": 1},
        value=1.0,
        session_id=last.session_id or "fresh",
    )
    if last.session_id is None:
        other = msgspec.structs.replace(other, session_id=None, time_ms=last.time_ms)
    [one] = run([last], some, state, first=len(before))
    [two] = run([other], some, state, first=len(before))
    assume(one.example is not None)
    assert one.example is not None
    assert two.example is not None
    assert one.example.query == two.example.query
