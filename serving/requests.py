"""The contract of requests: what is asked for must make sense before anything is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.decoding import check_time
from schemas.errors import EventRefused, RequestRefused
from schemas.events import MAX_ID_BYTES, Scalar, check_id
from schemas.positions import Position

DEFAULT_K = 20
MOST_ITEMS = 1_000
MOST_EVENTS = 1_000
MOST_CONTEXT = 64


def checked_k(k: int) -> int:
    """Return how many items to answer with.

    Examples
    --------
    >>> checked_k(0), checked_k(5)
    (20, 5)
    """
    if k > MOST_ITEMS:
        raise RequestRefused(
            f"`k` is {k}: ask for 1 to {MOST_ITEMS} items, or for 0, which stands for {DEFAULT_K}"
        )
    return k or DEFAULT_K


def checked_id(name: str, value: str) -> str:
    """Return an id that is fit to be one.

    Raises
    ------
    RequestRefused
        It is empty, too long, or has control characters; the message names it.
    """
    if not value:
        raise RequestRefused(f"`{name}` is empty: send an id of 1 to {MAX_ID_BYTES} bytes")
    if len(value) > MAX_ID_BYTES:
        raise RequestRefused(
            f"`{name}` has {len(value.encode())} bytes: send {MAX_ID_BYTES} at most"
        )
    try:
        check_id(name, value)
    except ValueError as error:
        raise RequestRefused(f"{error}: send an id as its events carry it") from None
    return value


def checked_item_ids(item_ids: Sequence[str]) -> Sequence[str]:
    """Return the items of a scoring call."""
    if not 1 <= len(item_ids) <= MOST_ITEMS:
        raise RequestRefused(f"`item_ids` names {len(item_ids)} items: send 1 to {MOST_ITEMS}")
    for number, item_id in enumerate(item_ids):
        checked_id(f"item_ids[{number}]", item_id)
    return item_ids


def checked_context(context: Mapping[str, str]) -> dict[str, Scalar]:
    """Return the context of a request."""
    if len(context) > MOST_CONTEXT:
        raise RequestRefused(
            f"`context` has {len(context)} fields: send {MOST_CONTEXT} at most, of few values each"
        )
    return dict(context)


def checked_time(time_ms: int, *, now_ms: int) -> int:
    """Return the moment to recommend for."""
    try:
        check_time(time_ms, now_ms=now_ms)
    except EventRefused as refused:
        raise RequestRefused(refused.message.replace("$.", "")) from None
    return time_ms


def checked_after(token: str) -> Position | None:
    """Return the position that a request waits for, if it does."""
    if not token:
        return None
    try:
        return Position.of_token(token)
    except ValueError as error:
        raise RequestRefused(f"`after`: {error}; send a `position` as Track returned it") from None


def check_events(count: int) -> None:
    """Raise ``RequestRefused`` where a call tracks too many events."""
    if count > MOST_EVENTS:
        raise RequestRefused(
            f"`events` holds {count} events: send {MOST_EVENTS} a call at most, in several calls"
        )
