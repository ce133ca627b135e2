"""What a query tells: what was bought or disliked, and what was chosen in other sessions."""

from __future__ import annotations

import pytest

from online_models.queries import EARLIER
from online_models.sessions import absorb, query_of
from schemas.events import Interaction
from schemas.user_state import StreamRules, UserState

NOON_MS = 1_760_000_000_000
DAY_MS = 86_400_000


def after(*visits: tuple[str, str, int]) -> UserState | None:
    state = None
    for offset, (item, kind, time_ms) in enumerate(visits):
        event = Interaction(
            event_id=str(offset), user_id="ann", item_id=item, kind=kind, time_ms=time_ms
        )
        state = absorb(
            state, event, RULES, topic="t", partition=0, offset=offset, contained=False
        ).state
    return state


RULES = StreamRules(unit="session", repeats="allow", kind_weights={"dislike": 0.0})


@pytest.mark.parametrize("unit", ["session", "user"])
def test_what_was_bought_is_barred_in_later_sessions_too(unit: str) -> None:
    state = after(("tea", "purchase", NOON_MS), ("cup", "click", NOON_MS + DAY_MS))
    rules = StreamRules(unit=unit, repeats="allow")
    query = query_of(state, rules, user_id="ann", time_ms=NOON_MS + DAY_MS, context={})
    assert query.seen == ("tea",)


def test_what_was_disliked_stays_barred_beside_it() -> None:
    state = after(("mud", "dislike", NOON_MS), ("tea", "purchase", NOON_MS + 1))
    query = query_of(state, RULES, user_id="ann", time_ms=NOON_MS + 2, context={})
    assert set(query.seen) == {"tea", "mud"}


def test_what_was_clicked_may_come_again_where_repeats_are_allowed() -> None:
    state = after(("tea", "click", NOON_MS))
    assert query_of(state, RULES, user_id="ann", time_ms=NOON_MS + 1, context={}).seen == ()


def test_items_of_other_sessions_are_told_apart_from_those_of_this_one() -> None:
    state = after(
        ("tea", "click", NOON_MS),
        ("cup", "click", NOON_MS + 1),
        ("pot", "click", NOON_MS + DAY_MS),
    )
    now_ms = NOON_MS + DAY_MS + 1
    query = query_of(state, RULES, user_id="ann", time_ms=now_ms, context={})
    assert (query.history, query.earlier) == (("pot",), ("tea", "cup"))
    later = query_of(state, RULES, user_id="ann", time_ms=NOON_MS + 3 * DAY_MS, context={})
    assert (later.history, later.earlier) == ((), ("tea", "cup", "pot"))
    whole = StreamRules(unit="user", repeats="allow")
    query = query_of(state, whole, user_id="ann", time_ms=now_ms, context={})
    assert (query.history, query.earlier) == (("tea", "cup", "pot"), ())


def test_of_other_sessions_the_last_items_are_told() -> None:
    state = after(*((f"i{n}", "click", NOON_MS + n * DAY_MS) for n in range(EARLIER + 5)))
    query = query_of(state, RULES, user_id="ann", time_ms=NOON_MS + 99 * DAY_MS, context={})
    assert query.earlier == tuple(f"i{n}" for n in range(5, EARLIER + 5))
