"""What visits tell of the moment of a request, and what is learnt from it."""

from __future__ import annotations

import numpy as np
import pytest

from online_models.moments import FARTHEST, PAUSE, PLACE, moment_of, told
from online_models.queries import query_of
from online_models.recommender import Recommender
from online_models.sessions import absorb
from online_models.state import ModelState
from schemas.events import Interaction
from schemas.examples import Example, Query
from schemas.user_state import StreamRules, UserState, Visit
from tests.builders import START_MS, learn, small

HOUR_MS = 3_600_000
NOW_MS = START_MS + 72 * HOUR_MS
RULES = StreamRules()
CONFIG = small(context_slots=16, dimensions=16, neighbours=20, hidden=16)


def visits(*times_ms: int) -> list[Visit]:
    return [Visit(f"i{n}", "click", at, 0, 0, n) for n, at in enumerate(times_ms)]


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        *((0, 0), (30, 0), (84, 0), (85, 1), (240, 2), (679, 3)),
        *((1_921, 4), (86_400, 7), (34.2 * 3_600, 8), (10**8, 8)),
    ],
)
def test_pauses_are_told_by_powers_of_their_ratio(seconds: float, wanted: int) -> None:
    told_of = visits(START_MS - 10**9, START_MS, START_MS + int(1000 * seconds))
    assert moment_of(UserState("ann"), RULES, told_of, 3)[PAUSE] == wanted


def test_a_first_visit_has_no_pause_before_it_and_a_stranger_no_visit() -> None:
    ann = UserState("ann")
    assert moment_of(ann, RULES, visits(START_MS), 1) == {PLACE: 1, PAUSE: "first"}
    assert moment_of(ann, RULES, [], 0) == {PLACE: 0}


def test_places_in_a_unit_are_told_by_powers_of_2_up_to_the_farthest() -> None:
    places = [moment_of(UserState("ann"), RULES, [], held)[PLACE] for held in range(100)]
    assert places[:9] == [0, 1, 2, 2, 3, 3, 3, 3, 4]
    assert places[FARTHEST] == places[-1] == 5


def after(
    state: UserState | None, user_id: str, item_id: str, time_ms: int, offset: int
) -> tuple[UserState, Example]:
    """Return a user's state after a click, and the example that it is."""
    event = Interaction(
        event_id=str(offset), user_id=user_id, item_id=item_id, kind="click", time_ms=time_ms
    )
    done = absorb(state, event, RULES, topic="t", partition=0, offset=offset, contained=False)
    assert done.state is not None
    assert done.example is not None
    return done.state, done.example


def planted() -> list[Example]:
    """Return a stream of visits to a front page, from there to one of two kinds, and to the end.

    Who was away for more than a day goes on to what was missed, all others to what is new. What
    ends visits is the most popular, and opens none.
    """
    rng, events = np.random.default_rng(2), list[tuple[int, str, str]]()
    for user in range(300):
        at, away = START_MS + int(rng.integers(30 * HOUR_MS)), True
        while at < NOW_MS:
            kinds = (("front", 8), ("missed" if away else "new", 8), ("end", 2))
            for n, (kind, count) in enumerate(kinds):
                events.append((at + 20_000 * n, f"u{user}", f"{kind}-{rng.integers(count)}"))
            away = bool(rng.random() < 0.5)
            at += (30 if away else 2) * HOUR_MS
    states, examples = dict[str, UserState](), list[Example]()
    for offset, (time_ms, user, item) in enumerate(sorted(events)):
        state, example = after(states.get(user), user, item, time_ms, offset)
        states[user] = state
        examples.append(example)
    return examples


@pytest.fixture(scope="module")
def state() -> ModelState:
    return learn(planted(), CONFIG).state


def slate_of(state: ModelState, user: UserState | None, count: int) -> list[str]:
    query = query_of(user, RULES, user_id="ann", time_ms=NOW_MS, context={})
    return [item.item_id for item in Recommender(state).recommend(query, count).items]


def back_after(hours: int) -> UserState:
    """Return a user who saw a front page once, and again so many hours later, just now."""
    user: UserState | None = None
    for offset, time_ms in enumerate((NOW_MS - hours * HOUR_MS, NOW_MS)):
        user, _ = after(user, "ann", "front-3", time_ms, offset)
    assert user is not None
    return user


@pytest.mark.parametrize(("hours", "kind", "other"), [(30, "missed", "new"), (2, "new", "missed")])
def test_who_was_away_is_recommended_what_such_users_choose(
    state: ModelState, hours: int, kind: str, other: str
) -> None:
    slate = slate_of(state, back_after(hours), 8)
    shown = [item.partition("-")[0] for item in slate]
    assert shown.count(kind) > 2 * shown.count(other)


def test_a_strangers_first_slate_is_of_what_opens_visits(state: ModelState) -> None:
    assert all(item.startswith("front-") for item in slate_of(state, None, 5))
    without = Recommender(state).recommend(Query("ann", "ann"), 2)
    assert {item.item_id for item in without.items} == {"end-0", "end-1"}


def test_values_of_the_events_own_context_count_beside_the_moment() -> None:
    query = Query("ann", "ann", moment={PLACE: 2})
    assert told({"device": "phone"}, query.moment) == {"device": "phone", PLACE: 2}
    assert told({"device": "phone"}, Query("ann", "ann").moment) == {"device": "phone"}


def test_an_events_own_context_can_not_pass_for_a_moment() -> None:
    stranger = Query("ann", "ann", moment={PLACE: 0})
    assert told({PAUSE: "8", PLACE: "5"}, stranger.moment) == {PLACE: 0}


def test_nothing_is_told_of_what_may_have_left_a_full_history() -> None:
    rules, state = StreamRules(unit="session", repeats="allow", history_length=4), None
    clicks = [
        Interaction(
            event_id=str(n), user_id="ann", item_id=f"i{n}", kind="click", time_ms=START_MS + n
        )
        for n in range(8)
    ]
    for n, click in enumerate(clicks):
        state = absorb(state, click, rules, topic="t", partition=0, offset=n, contained=False).state
    found = []
    for n in (2, 4, 5, 6):
        again = absorb(state, clicks[n], rules, topic="t", partition=0, offset=n, contained=True)
        assert again.example is not None
        found.append(again.example.query.moment)
    assert found == [{}, {}, {}, {PLACE: 2, PAUSE: 0}]
