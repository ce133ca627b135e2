"""Users' states of the first two formats, which are read and not written any more.

Visits by column: ids joined to one text, times, sessions and offsets as differences; msgpack,
deflated where that was longer than 160 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

import msgspec
from msgspec import Struct

from schemas.columns import parted
from schemas.user_state import HASH_BITS, Session, UserState, Visit

_LOW_BITS = 20
_HASH_BITS = 64  # of an event id; 40 are kept of it since


class _Columns(Struct, frozen=True, array_like=True):
    items: str
    kinds: tuple[str, ...]
    kind_of: list[int]
    times: list[int]
    session_of: list[int]
    origin_of: list[int]
    clocked: bool
    offsets: list[int]
    lows: list[int]
    older_items: str
    older_sessions: list[int]
    sessions: tuple[Session, ...]
    next_session: int
    newest_ms: int
    recent_width: int
    recent: bytes
    disliked: str
    origins: tuple[tuple[str, int], ...]
    refused: tuple[tuple[int, int], ...]


_DECODER = msgspec.msgpack.Decoder(_Columns)


def decode_columns(user_id: str, payload: bytes) -> UserState:
    """Return the state that was written as these columns.

    Raises
    ------
    msgspec.DecodeError, IndexError, ValueError
        The bytes are damaged.
    """
    return _state(user_id, _DECODER.decode(payload))


def _state(user_id: str, columns: _Columns) -> UserState:
    times = list(accumulate(columns.times))
    if columns.clocked:
        offsets: Iterable[int] = [
            (lag + time_ms << _LOW_BITS) + low
            for lag, time_ms, low in zip(columns.offsets, times, columns.lows, strict=True)
        ]
    else:
        offsets = accumulate(columns.offsets)
    visits = zip(
        parted(columns.items),
        [columns.kinds[code] for code in columns.kind_of],
        times,
        accumulate(columns.session_of),
        columns.origin_of,
        offsets,
        strict=True,
    )
    older = zip(parted(columns.older_items), accumulate(columns.older_sessions), strict=True)
    width, recent = columns.recent_width, columns.recent
    return UserState(
        user_id=user_id,
        history=tuple([Visit(*visit) for visit in visits]),
        older=tuple(older),
        sessions=columns.sessions,
        next_session=columns.next_session,
        newest_ms=columns.newest_ms,
        recent_ids=tuple(
            [
                int.from_bytes(recent[at : at + width], "big") >> _HASH_BITS - HASH_BITS
                for at in range(0, len(recent), width)
            ]
        ),
        disliked=tuple(parted(columns.disliked)),
        origins=columns.origins,
        refused=columns.refused,
    )
