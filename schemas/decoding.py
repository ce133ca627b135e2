"""Bytes to events, or a refusal that says why."""

from __future__ import annotations

import re

import msgspec

from schemas.errors import EventRefused
from schemas.events import EVENT_TYPES, MAX_ID_BYTES, Event

MAX_EVENT_BYTES = 1_048_576
EARLIEST_MS = 631_152_000_000  # 1990-01-01: earlier times are nearly always seconds
FUTURE_MS = 86_400_000
_USER_ID = re.compile(rb'"user_id"\s*:\s*("(?:[^"\\]|\\.){1,1536}")')  # an id may be all escapes

_MISSING = re.compile(r"missing required field `([^`]+)`$")
_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in EVENT_TYPES.items()}


def decode(event_type: str, payload: bytes, *, now_ms: int) -> Event:
    """Return the event that a payload of JSON holds.

    Parameters
    ----------
    event_type
        ``interaction``, ``impression``, ``item`` or ``forget``.
    now_ms
        The present, against which times in the future are judged.

    Raises
    ------
    EventRefused
        With reason ``size``, ``kind``, ``malformed``, ``field`` or ``time``.
    """
    if len(payload) > MAX_EVENT_BYTES:
        raise EventRefused(
            "size", f"the event has {len(payload)} bytes, at most {MAX_EVENT_BYTES} are read"
        )
    decoder = _DECODERS.get(event_type)
    if decoder is None:
        raise EventRefused(
            "kind", f"event type {event_type[:64]!r} is unknown, use one of {', '.join(_DECODERS)}"
        )
    try:
        event = decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise EventRefused("field", with_path(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventRefused("malformed", f"not valid JSON: {error}") from None
    check_time(event.time_ms, now_ms=now_ms)
    return event


def with_path(complaint: str) -> str:
    """Return a complaint of msgspec with the field's path, which it leaves out at the root.

    Examples
    --------
    >>> with_path("Object missing required field `kind`")
    'Object missing required field `kind` - at `$.kind`'
    """
    missing = _MISSING.search(complaint)
    return f"{complaint} - at `$.{missing[1]}`" if missing else complaint


def check_time(time_ms: int | None, *, now_ms: int) -> None:
    """Raise ``EventRefused`` where a time lies before 1990 or more than a day ahead."""
    if time_ms is None or EARLIEST_MS <= time_ms <= now_ms + FUTURE_MS:
        return
    # A row may hold any number: neither its digits nor its quotient need fit anywhere.
    shown = f"{time_ms}" if abs(time_ms) < 2**63 else "a number beyond 64 bits"
    if time_ms < EARLIEST_MS:
        raise EventRefused(
            "time",
            f"`$.time_ms` is {shown}, before 1990: are these seconds? Send milliseconds",
        )
    ahead_days = min(time_ms - now_ms, 2**63) / 86_400_000
    raise EventRefused(
        "time", f"`$.time_ms` is {shown}, {ahead_days:.1f} days ahead: at most 1 is accepted"
    )


def user_of(payload: bytes) -> str:
    """Return the user id that a refused payload seems to carry, or ``""``.

    A refused event still moves its user's mark, so that whoever waits for it is answered.
    """
    found = _USER_ID.search(payload[:MAX_EVENT_BYTES])
    if found is None:
        return ""
    quoted = found.group(1).decode(errors="replace")
    try:
        user_id = msgspec.json.decode(quoted, type=str)
    except msgspec.DecodeError:
        user_id = quoted[1:-1]
    return user_id if len(user_id) <= MAX_ID_BYTES else ""
