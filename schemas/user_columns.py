"""A user's state by columns, and what stands beside them.

Times, offsets and sessions are differences, as neighbours are alike. Offsets of the embedded event
log hold a clock, and so are differences from the visits' times.
"""

from __future__ import annotations

import re
from collections import Counter
from math import gcd

from msgspec import Struct

from schemas.columns import Ids, Reader, Writer, from_steps, joined, parted, steps
from schemas.events import Scalar
from schemas.user_state import HASH_BITS, Session, UserState, Visit

_LOW_BITS = 20  # of an offset of the embedded log; above them stand milliseconds
_LOW = (1 << _LOW_BITS) - 1
_NEAR_MS = 1 << 31
_HASH_BYTES = HASH_BITS // 8
_HASHES = re.compile("[0-9a-f]+")


class Head(Struct, frozen=True, array_like=True):
    """What stands beside the columns.

    ``first`` are the values that differences begin with: time, session, offset. ``sessions`` are
    four numbers each: how far its ordinal is below that of the next, and, as the history does not
    tell it, its length and newest time; which context it has. ``older`` are how many, the first
    one's session, and their ids.
    """

    visits: int
    recent: int
    recent_bytes: int
    kinds: tuple[str, ...]
    unit_ms: int
    clocked: bool
    newest_ms: int
    disliked: str
    refused: tuple[tuple[int, int], ...]
    older: tuple[int, int, Ids] | None
    items: Ids
    keys: str | None
    sessions: list[int]
    origins: tuple[tuple[str, int], ...]
    contexts: list[dict[str, Scalar]]
    next_session: int
    shapes: list[int]
    first: tuple[int, ...]


def head_of(state: UserState, columns: Writer) -> Head:
    """Add the columns of a state, in the order in which ``state_of`` reads them.

    Raises
    ------
    ValueError
        An id contains a line break.
    """
    history, recent = state.history, state.recent_ids
    times = [visit.time_ms for visit in history]
    ordinals = [visit.session for visit in history]
    pauses = steps(times)
    unit_ms = gcd(*pauses) or 1
    columns.integers([pause // unit_ms for pause in pauses] if unit_ms > 1 else pauses)
    columns.integers(steps(ordinals))
    columns.integers([visit.origin for visit in history])
    clocked, offset = _add_offsets([visit.offset for visit in history], times, columns)
    kinds = _add_kinds([visit.kind for visit in history], columns)
    recent_bytes = _HASH_BYTES if max(recent, default=0) < 1 << HASH_BITS else 8
    columns.raw(recent, recent_bytes)
    items = columns.ids([visit.item_id for visit in history])
    keys = _add_keys([session.key for session in state.sessions], columns)
    sessions, contexts = _sessions(state, times, ordinals)
    return Head(
        visits=len(history),
        recent=len(recent),
        recent_bytes=recent_bytes,
        kinds=kinds,
        unit_ms=unit_ms,
        clocked=clocked,
        newest_ms=state.newest_ms - (times[-1] if times else 0),
        disliked=joined(state.disliked),
        refused=state.refused,
        older=_add_older(state.older, columns),
        items=items,
        keys=keys,
        sessions=sessions,
        origins=state.origins,
        contexts=contexts,
        next_session=state.next_session,
        shapes=columns.shapes,
        first=(times[0], ordinals[0], offset) if history else (),
    )


def state_of(user_id: str, head: Head, body: bytes) -> UserState:
    """Return the state of this head and these columns.

    Raises
    ------
    IndexError, ValueError
        They don't fit.
    """
    columns, count = Reader(body, head.shapes), head.visits
    time_ms, ordinal, offset = head.first or (0, 0, 0)
    pauses = [pause * head.unit_ms for pause in columns.integers(max(count - 1, 0))]
    times = from_steps(time_ms, pauses) if count else []
    ordinals = from_steps(ordinal, columns.integers(count - 1)) if count else []
    origins = columns.integers(count)
    offsets = _offsets(head, offset, times, columns)
    kinds = _kinds(head, columns)
    recent = columns.raw(head.recent, head.recent_bytes)
    items = columns.ids(count, head.items)
    visits = zip(items, kinds, times, ordinals, origins, offsets, strict=True)
    return UserState(
        user_id,
        history=tuple([Visit(*visit) for visit in visits]),
        sessions=_sessions_of(head, times, ordinals, columns),
        next_session=head.next_session,
        newest_ms=head.newest_ms + (times[-1] if times else 0),
        recent_ids=tuple(recent),
        disliked=tuple(parted(head.disliked)),
        origins=head.origins,
        refused=head.refused,
        older=_older(head, columns),
    )


def _add_offsets(offsets: list[int], times: list[int], columns: Writer) -> tuple[bool, int]:
    """Add offsets as differences, from the visits' times where they hold a clock themselves."""
    if offsets and abs((offsets[0] >> _LOW_BITS) - times[0]) < _NEAR_MS:
        columns.integers([(at >> _LOW_BITS) - ms for at, ms in zip(offsets, times, strict=True)])
        columns.integers([offset & _LOW for offset in offsets])
        return True, 0
    columns.integers(steps(offsets))
    return False, offsets[0] if offsets else 0


def _offsets(head: Head, first: int, times: list[int], columns: Reader) -> list[int]:
    if not head.clocked:
        return from_steps(first, columns.integers(len(times) - 1)) if times else []
    lags, lows = columns.integers(len(times)), columns.integers(len(times))
    return [
        (lag + time_ms << _LOW_BITS) + low
        for lag, time_ms, low in zip(lags, times, lows, strict=True)
    ]


def _add_kinds(names: list[str], columns: Writer) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(names))
    if len(kinds) > 1:
        columns.integers([kinds.index(name) for name in names])
    return kinds


def _kinds(head: Head, columns: Reader) -> list[str]:
    kinds, count = head.kinds, head.visits
    if len(kinds) > 1:
        return [kinds[number] for number in columns.integers(count)]
    return [kinds[0]] * count if count else []


def _add_keys(keys: list[str], columns: Writer) -> str | None:
    """Return the sessions' keys as a text, ``None`` where they are hashes and have been added."""
    text = "".join(keys)
    if not text:
        return ""
    if len(text) == 2 * _HASH_BYTES * len(keys) and _HASHES.fullmatch(text):
        columns.parts.append(bytes.fromhex(text))
        return None
    return joined(keys)


def _sessions(
    state: UserState, times: list[int], ordinals: list[int]
) -> tuple[list[int], list[dict[str, Scalar]]]:
    newest, lengths = dict(zip(ordinals, times, strict=True)), Counter(ordinals)
    numbers: list[int] = []
    contexts: list[dict[str, Scalar]] = []
    following = state.next_session
    for session in state.sessions:
        ordinal, context = session.ordinal, session.context
        if context not in contexts:
            contexts.append(context)
        numbers += (
            following - ordinal,
            session.length - lengths.get(ordinal, 0),
            session.newest_ms - newest.get(ordinal, 0),
            contexts.index(context),
        )
        following = ordinal
    return numbers, contexts


def _sessions_of(
    head: Head, times: list[int], ordinals: list[int], columns: Reader
) -> tuple[Session, ...]:
    newest, lengths = dict(zip(ordinals, times, strict=True)), Counter(ordinals)
    numbers, following = head.sessions, head.next_session
    sessions = []
    for key, below, longer, later_ms, context in zip(
        _keys(head, columns), *[numbers[place::4] for place in range(4)], strict=True
    ):
        ordinal = following - below
        length = longer + lengths.get(ordinal, 0)
        newest_ms = later_ms + newest.get(ordinal, 0)
        sessions.append(Session(key, ordinal, length, newest_ms, head.contexts[context]))
        following = ordinal
    return tuple(sessions)


def _keys(head: Head, columns: Reader) -> list[str]:
    count, digits = len(head.sessions) // 4, 2 * _HASH_BYTES
    if head.keys is None:
        text = columns.take(_HASH_BYTES * count).hex()
        return [text[at : at + digits] for at in range(0, len(text), digits)]
    return head.keys.split("\n") if head.keys else [""] * count


def _add_older(older: tuple[tuple[str, int], ...], columns: Writer) -> tuple[int, int, Ids] | None:
    if not older:
        return None
    ordinals = [ordinal for _, ordinal in older]
    columns.integers(steps(ordinals))
    return len(older), ordinals[0], columns.ids([item_id for item_id, _ in older])


def _older(head: Head, columns: Reader) -> tuple[tuple[str, int], ...]:
    if head.older is None:
        return ()
    count, first, kept = head.older
    ordinals = from_steps(first, columns.integers(count - 1))
    return tuple(zip(columns.ids(count, kept), ordinals, strict=True))
