"""A user's visits and sessions as values: where a visit goes, what precedes it, what leaves."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from schemas.user_state import HASH_BITS, Session, StreamRules, UserState, Visit

ORIGINS = 8
REFUSED = 16
DISLIKED = 100
_UNKNOWN = -1  # the origin of a visit that came from a source that has been forgotten since


def hash_of(event_id: str) -> int:
    """Return 40 bits that stand for an event id."""
    return int.from_bytes(_hash(event_id), "big")


def keys_of(session_id: str) -> tuple[str, str]:
    """Return by which keys a session of this id is known: a hash, and as before there were any."""
    return _hash(session_id).hex(), session_id


def _hash(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()[: HASH_BITS // 8]


def place_of(history: tuple[Visit, ...], time_ms: int) -> int:
    """Return where a visit of that time goes: behind those of the same time, by arrival."""
    place = len(history)
    while place and history[place - 1].time_ms > time_ms:
        place -= 1
    return place


def at_origin(state: UserState, source: tuple[str, int]) -> UserState:
    """Return the state with this source among its origins; the oldest of too many is forgotten."""
    if source in state.origins:
        return state
    origins = (*state.origins, source)
    if len(origins) <= ORIGINS:
        return msgspec.structs.replace(state, origins=origins)
    return msgspec.structs.replace(
        state,
        origins=origins[1:],
        history=tuple(
            [msgspec.structs.replace(v, origin=max(v.origin - 1, _UNKNOWN)) for v in state.history]
        ),
        refused=tuple([(origin - 1, offset) for origin, offset in state.refused if origin > 0]),
    )


def with_refused(state: UserState, origin: int, offset: int) -> UserState:
    """Return the state that remembers that this event, late or repeated, was not accepted."""
    refused = (*state.refused, (origin, offset))[-REFUSED:]
    return msgspec.structs.replace(state, refused=refused)


def with_disliked(disliked: tuple[str, ...], item_id: str) -> tuple[str, ...]:
    """Return the disliked items with one more, the newest last."""
    if item_id in disliked:
        return disliked
    return (*disliked, item_id)[-DISLIKED:]


def with_visit(
    state: UserState, visit: Visit, place: int, rules: StreamRules
) -> tuple[tuple[Visit, ...], tuple[tuple[str, int], ...]]:
    """Return history and older items once a visit is put in its place."""
    history, older = state.history, state.older
    history = (*history[:place], visit, *history[place:])
    if len(history) <= rules.history_length:
        return history, older
    left, history = history[: -rules.history_length], history[-rules.history_length :]
    # Where repeats are allowed, nobody asks for what left the history.
    if not rules.excludes or not rules.older_length:
        return history, older
    older = (*older, *[(v.item_id, v.session) for v in left])
    if rules.unit == "session":
        still_open = {session.ordinal for session in state.sessions}
        older = tuple([item for item in older if item[1] in still_open])
    return history, older[-rules.older_length :]


def with_session(
    sessions: tuple[Session, ...], session: Session, bound: int
) -> tuple[Session, ...]:
    """Return the sessions with one more, or with one in its newer form: the newest event last."""
    if sessions and sessions[-1].ordinal == session.ordinal:
        return (*sessions[:-1], session)
    others = [other for other in sessions if other.ordinal != session.ordinal]
    place = len(others)
    while place and others[place - 1].newest_ms > session.newest_ms:
        place -= 1
    others.insert(place, session)
    return tuple(others[-bound:])


def session_at(
    state: UserState, session_id: str | None, time_ms: int, gap_ms: int
) -> Session | None:
    """Return the open session that an event belongs to, or ``None`` where it opens one.

    A producer's id alone decides. Without one, a gap ends the newest session that has no id; an
    event that comes out of order joins the neighbour in time that is within the gap, the earlier
    one first. Sessions are never merged.
    """
    if session_id is not None:
        keys = keys_of(session_id)
        for session in reversed(state.sessions):
            if session.key in keys:
                return session
        return None
    for session in reversed(state.sessions):
        if not session.key:
            if time_ms < session.newest_ms:
                return _neighbour(state, time_ms, gap_ms)
            return session if time_ms - session.newest_ms <= gap_ms else None
    return None


def _neighbour(state: UserState, time_ms: int, gap_ms: int) -> Session | None:
    cut = {session.ordinal: session for session in state.sessions if not session.key}
    place = place_of(state.history, time_ms)
    for visits in (state.history[:place][::-1], state.history[place:]):
        for visit in visits:
            if visit.session in cut:
                if abs(time_ms - visit.time_ms) <= gap_ms:
                    return cut[visit.session]
                break
    return None
