"""A user's slates as values: how one opens, is found, closes, and when it need not be kept."""

from __future__ import annotations

import sys
from array import array

import msgspec

from schemas.events import Impression
from schemas.positions import Marks, mark_of
from schemas.slates import Given, Served, ServedSlate, Slates
from schemas.slates_codec import pack_details

OPEN, WAITING, GIVEN = 8, 16, 256
ITEMS, FEATURES = 200, 256
_VARIANT_LENGTH = 64


def served(event: Impression) -> ServedSlate:
    """Return what is kept of an impression: its 200 topmost items, by position.

    Of more than 256 features of an item none are kept: no ranker has as many.
    """
    shown = sorted(event.items, key=lambda item: item.position)[:ITEMS]
    items = [
        Served(item.item_id, item.position, item.propensity, _packed(item.features))
        for item in shown
    ]
    return ServedSlate(
        event.request_id,
        event.time_ms,
        tuple([item.item_id for item in items]),
        pack_details(items),
        event.model_version,
        event.variant[:_VARIANT_LENGTH],
    )


def _packed(features: tuple[float, ...]) -> bytes:
    if len(features) > FEATURES:
        return b""
    values = array("f", features)  # what float32 can't hold becomes infinite
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def find(slates: tuple[ServedSlate, ...], request_id: str) -> ServedSlate | None:
    """Return the slate of a request."""
    return next((slate for slate in slates if slate.request_id == request_id), None)


def place_of(slate: ServedSlate, item_id: str) -> int | None:
    """Return where an item stands in a slate: at its topmost place, should it have several."""
    return slate.item_ids.index(item_id) if item_id in slate.item_ids else None


def with_slate(slates: Slates, slate: ServedSlate) -> Slates:
    """Return the slates with one more that is open, or with one in its newer form."""
    others = [other for other in slates.open if other.request_id != slate.request_id]
    place = len(others)
    while place and others[place - 1].time_ms > slate.time_ms:
        place -= 1
    others.insert(place, slate)
    return msgspec.structs.replace(slates, open=tuple(others))


def closed(slates: Slates, before_ms: int) -> tuple[Slates, list[str]]:
    """Return the slates without what happened before a time or is beyond the bounds.

    Also returned is what became of each that left, as ``schemas.metrics.FEEDBACK`` calls it.
    """
    staying = tuple([slate for slate in slates.open if slate.time_ms >= before_ms])[-OPEN:]
    waiting = tuple([one for one in slates.waiting if one.time_ms >= before_ms])[-WAITING:]
    orphaned = len(slates.waiting) - len(waiting)
    if len(staying) == len(slates.open) and not orphaned and len(slates.given) <= GIVEN:
        return slates, []
    left = slates.open[: len(slates.open) - len(staying)]  # they are in the order of time
    outcomes = ["closed_answered" if slate.clicked else "closed_unanswered" for slate in left]
    given = slates.given[-GIVEN:]
    needed = _needed((*slates.closed, *left), given)
    after = Slates(slates.user_id, staying, waiting, given, needed)
    return after, [*outcomes, *["orphaned"] * orphaned]


def without_published(slates: Slates, low: Marks) -> Slates:
    """Return the slates without the labels that a model of these marks contains."""
    given = tuple(
        [one for one in slates.given if one.offset >= mark_of(low, one.topic, one.partition)]
    )
    if len(given) == len(slates.given):
        return slates
    closed = _needed(slates.closed, given)
    return msgspec.structs.replace(slates, given=given, closed=closed)


def _needed(closed: tuple[ServedSlate, ...], given: tuple[Given, ...]) -> tuple[ServedSlate, ...]:
    referred = {one.request_id for one in given}
    return tuple([slate for slate in closed if slate.request_id in referred])


def kept(slates: Slates) -> Slates | None:
    """Return the slates, or ``None`` where there is nothing to keep."""
    return slates if slates.open or slates.waiting or slates.given else None
