"""What is known at a request: one code builds it for learning and for serving."""

from __future__ import annotations

from online_models.history import session_at
from online_models.moments import moment_of
from schemas.events import Scalar
from schemas.examples import Query
from schemas.user_state import Session, StreamRules, UserState, Visit

EARLIER = 20
"""The most items of other sessions that a query tells."""


def query_of(
    state: UserState | None,
    rules: StreamRules,
    *,
    user_id: str,
    time_ms: int,
    context: dict[str, Scalar],
    session_id: str | None = None,
) -> Query:
    """Return what is asked for a user now: in a session, or else in the newest one still open.

    Parameters
    ----------
    time_ms, context
        The request's own.
    session_id
        The producer's; a session that is not known yet has an empty history.
    """
    if state is None:
        state = UserState(user_id)
    session: Session | None = None
    if session_id is not None:
        session = session_at(state, session_id, time_ms, rules.session_gap_ms)
    elif state.sessions:
        session = state.sessions[-1]
        if not session.key and time_ms - session.newest_ms > rules.session_gap_ms:
            session = None
    ordinal = state.next_session if session is None else session.ordinal
    return unit_query(state, rules, ordinal, state.history, time_ms, context)


def bought(visits: tuple[Visit, ...]) -> list[str]:
    """Return what a user bought, as far as visits tell it: it is not recommended again."""
    return [visit.item_id for visit in visits if visit.kind == "purchase"]


def unit_query(
    state: UserState,
    rules: StreamRules,
    ordinal: int,
    visits: tuple[Visit, ...],
    time_ms: int | None,
    context: dict[str, Scalar],
) -> Query:
    """Return the query of a unit: the user, or the session of this ordinal, as visits tell it."""
    user_id, seen = state.user_id, (*bought(visits), *state.disliked)
    if rules.unit == "user":
        items = tuple([visit.item_id for visit in visits])
        if rules.excludes:
            seen = (*items, *[item_id for item_id, _ in state.older], *seen)
        moment = moment_of(state, rules, visits, len(items))
        return Query(user_id, user_id, items, seen, time_ms, context, moment=moment)
    items = tuple([visit.item_id for visit in visits if visit.session == ordinal])
    if rules.excludes:
        seen = (*items, *[item_id for item_id, session in state.older if session == ordinal], *seen)
    others = [visit.item_id for visit in visits if visit.session != ordinal]
    unit_key, earlier = f"{user_id}\x1f{ordinal}", tuple(others[-EARLIER:])
    moment = moment_of(state, rules, visits, len(items))
    return Query(user_id, unit_key, items, seen, time_ms, context, earlier, moment)
