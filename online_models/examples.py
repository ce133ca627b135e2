"""An event as an example, from the visits that precede it."""

from __future__ import annotations

from online_models.history import keys_of
from online_models.queries import unit_query
from schemas.events import Interaction, Scalar
from schemas.examples import Example, Query
from schemas.user_state import Session, StreamRules, UserState, Visit

_NOTHING: dict[str, Scalar] = {}


def example_of(
    state: UserState,
    event: Interaction,
    rules: StreamRules,
    *,
    session: Session | None,
    place: int,
    weight: float,
    offset: int,
) -> Example:
    """Return the example that a new event is, from the state before it.

    Its query tells the context of the event before: of the unit's, or, where it opens a session, of
    the user's last in any. It tells none where later events came already: what they told stands in
    its place. An opening has no time: what was asked for is a new session, now.

    Parameters
    ----------
    session
        The event's; ``None`` where it opens one.
    place
        The event's in the history.
    """
    visits = state.history if place == len(state.history) else state.history[:place]
    time_ms: int | None = None
    context = _NOTHING
    if rules.unit == "user":
        opens = _opens(state, visits, None, rules)
        if visits:
            time_ms, context = visits[-1].time_ms, _last_context(state, visits)
    elif session is None:
        opens, context = True, _last_context(state, visits)
    elif event.time_ms >= session.newest_ms:
        opens, time_ms, context = False, session.newest_ms, session.context
    else:
        opens = _opens(state, visits, session.ordinal, rules)
        time_ms = _newest_ms(visits, session.ordinal)
    ordinal = state.next_session if session is None else session.ordinal
    query = unit_query(state, rules, ordinal, visits, time_ms, context)
    return _example(query, event, weight, opens, offset)


def replayed_example(
    state: UserState,
    event: Interaction,
    rules: StreamRules,
    *,
    origin: int,
    offset: int,
) -> Example | None:
    """Return the example that a contained event gave when it came first.

    ``None`` where it gave none, being late or a duplicate: the state remembers the last such
    events, or tells by its history, which holds every visit that is not older than its oldest.
    Its query tells no context, as that is kept of a session's newest event alone.
    """
    weight = rules.weight(event.kind)
    own = next(
        (
            place
            for place, visit in enumerate(state.history)
            if visit.offset == offset and visit.origin == origin
        ),
        None,
    )
    if own is None and not _may_have_left(state, event, rules, origin, offset):
        return None
    visits = tuple(
        [
            visit
            for visit in state.history[:own]
            if visit.time_ms <= event.time_ms and (visit.origin != origin or visit.offset < offset)
        ]
    )
    ordinal = _ordinal(state, event, own, visits)
    unit = None if rules.unit == "user" else ordinal
    opens = _opens(state, visits, unit, rules)
    query = unit_query(state, rules, ordinal, visits, _newest_ms(visits, unit), _NOTHING)
    return _example(query, event, weight, opens, offset)


def _example(query: Query, event: Interaction, weight: float, opens: bool, offset: int) -> Example:
    return Example(
        query=query,
        item_id=event.item_id,
        kind=event.kind,
        weight=weight,
        time_ms=event.time_ms,
        opens_unit=opens,
        offset=offset,
        value=event.value,
        context=event.context,
    )


def _may_have_left(
    state: UserState, event: Interaction, rules: StreamRules, origin: int, offset: int
) -> bool:
    """Return whether an event without a visit may all the same have been accepted."""
    if (origin, offset) in state.refused:
        return False
    history = state.history
    if rules.weight(event.kind) <= 0:
        return True
    if len(history) >= rules.history_length and event.time_ms <= history[0].time_ms:
        return True
    # A state that begins behind the event: the user was forgotten in between.
    return not any(visit.origin == origin and visit.offset < offset for visit in history)


def _ordinal(
    state: UserState, event: Interaction, own: int | None, visits: tuple[Visit, ...]
) -> int:
    if own is not None:
        return state.history[own].session
    keys = () if event.session_id is None else keys_of(event.session_id)
    for session in state.sessions:
        if session.key in keys:
            return session.ordinal
    nearest = visits[-1:] or state.history[:1]
    return nearest[0].session if nearest else state.next_session


def _opens(
    state: UserState, visits: tuple[Visit, ...], ordinal: int | None, rules: StreamRules
) -> bool:
    """Return whether no visit of the unit precedes, nor may have and has left the history."""
    if _newest_ms(visits, ordinal) is not None:
        return False
    history = state.history
    full = len(history) >= rules.history_length
    return not (full and (ordinal is None or history[0].session == ordinal))


def _newest_ms(visits: tuple[Visit, ...], ordinal: int | None) -> int | None:
    for visit in reversed(visits):
        if ordinal is None or visit.session == ordinal:
            return visit.time_ms
    return None


def _last_context(state: UserState, visits: tuple[Visit, ...]) -> dict[str, Scalar]:
    """Return the context of the newest visit, where it is the history's and still kept."""
    if not visits or visits is not state.history:
        return _NOTHING
    for session in reversed(state.sessions):
        if session.ordinal == visits[-1].session:
            return session.context
    return _NOTHING
