"""What a user has bought or disliked is asked for no more."""

from __future__ import annotations

import pytest

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
