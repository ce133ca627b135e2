"""Events into user states and examples: what a user's next state is, and what there is to learn.

What is decided here:

- **Duplicates.** An event id that is among the user's last ones (32) is dropped.
- **Lateness** is judged against the user's own newest interaction; the kind ``impression`` never
  advances it. What is later than allowed is refused.
- **Out of order**, but not late: the visit goes to its place in time, and its example holds what
  precedes it there.
- **Sessions**: see ``history.session_at``. Kinds of weight 0 neither open nor prolong one.
- **Replayed** events, which the state contains, change nothing. They still give the example that
  they gave before, with the visits that preceded them by time and by arrival; only the context is
  left out, as it is kept of a session's newest event alone.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from online_models.examples import example_of, replayed_example
from online_models.history import (
    at_origin,
    hash_of,
    keys_of,
    place_of,
    session_at,
    with_disliked,
    with_refused,
    with_session,
    with_visit,
)
from online_models.queries import query_of
from schemas.events import Interaction
from schemas.examples import Example
from schemas.user_state import Session, StreamRules, UserState, Visit

__all__ = ["Absorbed", "Verdict", "absorb", "query_of"]

Verdict = Literal["accepted", "duplicate", "late"]


class Absorbed(Struct, frozen=True):
    """What became of an event. Without an example it was refused, now or when it came first."""

    state: UserState | None
    example: Example | None
    verdict: Verdict


def absorb(
    state: UserState | None,
    event: Interaction,
    rules: StreamRules,
    *,
    topic: str,
    partition: int,
    offset: int,
    contained: bool,
) -> Absorbed:
    """Return the user's state after an event, and the example that the event is.

    Parameters
    ----------
    state
        ``None`` for a user without one.
    topic, partition, offset
        Where the event stands in its source.
    contained
        The state holds this event already: it was absorbed before a crash, and is replayed.

    Examples
    --------
    >>> tea = Interaction(event_id="1", user_id="ann", item_id="tea", kind="click", time_ms=10**12)
    >>> first = absorb(None, tea, StreamRules(), topic="t", partition=0, offset=0, contained=False)
    >>> first.verdict, first.state.history[0].item_id, first.example.opens_unit
    ('accepted', 'tea', True)
    """
    source = (topic, partition)
    if contained:
        return _replayed(state, event, rules, source, offset)
    if state is None:
        state = UserState(event.user_id, origins=(source,))
    else:
        state = at_origin(state, source)
    origin = state.origins.index(source)
    id_hash = hash_of(event.event_id)
    if id_hash in state.recent_ids:
        return Absorbed(with_refused(state, origin, offset), None, "duplicate")
    if event.time_ms < state.newest_ms - rules.allowed_lateness_ms:
        return Absorbed(with_refused(state, origin, offset), None, "late")
    weight = rules.weight(event.kind)
    session = session_at(state, event.session_id, event.time_ms, rules.session_gap_ms)
    place = place_of(state.history, event.time_ms)
    example = example_of(
        state, event, rules, session=session, place=place, weight=weight, offset=offset
    )
    after = _noted(state, event, rules, id_hash)
    if weight > 0:
        after = _with_visit(after, event, rules, session, place, origin, offset)
    return Absorbed(after, example, "accepted")


def _replayed(
    state: UserState | None,
    event: Interaction,
    rules: StreamRules,
    source: tuple[str, int],
    offset: int,
) -> Absorbed:
    # A user without a state has been forgotten since, or has expired: the event did count.
    known = state or UserState(event.user_id)
    origin = known.origins.index(source) if source in known.origins else -1
    example = replayed_example(known, event, rules, origin=origin, offset=offset)
    return Absorbed(state, example, "accepted" if example else "duplicate")


def _noted(state: UserState, event: Interaction, rules: StreamRules, id_hash: int) -> UserState:
    """Return the state with what every accepted event leaves, whatever its weight."""
    recent = (*state.recent_ids, id_hash)[-rules.recent_ids :] if rules.recent_ids else ()
    newest_ms, disliked = state.newest_ms, state.disliked
    if event.kind == "dislike":
        disliked = with_disliked(disliked, event.item_id)
    if event.time_ms > newest_ms and event.kind != "impression":
        newest_ms = event.time_ms
    return UserState(
        state.user_id,
        state.history,
        state.older,
        state.sessions,
        state.next_session,
        newest_ms,
        recent,
        disliked,
        state.origins,
        state.refused,
    )


def _with_visit(
    state: UserState,
    event: Interaction,
    rules: StreamRules,
    session: Session | None,
    place: int,
    origin: int,
    offset: int,
) -> UserState:
    time_ms, next_session = event.time_ms, state.next_session
    if session is None:
        key = "" if event.session_id is None else keys_of(event.session_id)[0]
        session = Session(key, next_session, 1, time_ms, event.context)
        next_session += 1
    elif time_ms >= session.newest_ms:
        length = session.length + 1
        session = Session(session.key, session.ordinal, length, time_ms, event.context)
    else:
        session = msgspec.structs.replace(session, length=session.length + 1)
    visit = Visit(event.item_id, event.kind, time_ms, session.ordinal, origin, offset)
    history, older = with_visit(state, visit, place, rules)
    return UserState(
        state.user_id,
        history,
        older,
        with_session(state.sessions, session, rules.open_sessions),
        next_session,
        state.newest_ms,
        state.recent_ids,
        state.disliked,
        state.origins,
        state.refused,
    )
