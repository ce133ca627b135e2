"""Events as the gRPC API takes them, to what the event log takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec

from schemas.decoding import decode
from schemas.errors import EventRefused
from schemas.events import anonymous_id
from serving import scorer_pb2 as pb
from serving.event_log import Entry

UNKNOWN_TYPE = "unknown"
_encode = msgspec.json.Encoder().encode


def logged(event: pb.Event) -> Entry:
    """Return an event as the log takes it: its type, its JSON, and the user's or item's id.

    Nothing is refused here: the flow is the one place that does. An event without content gets the
    type ``unknown``, which the flow refuses.
    """
    event_type = event.WhichOneof("event") or UNKNOWN_TYPE
    fields_of = _FIELDS.get(event_type)
    if fields_of is None:
        return Entry(event_type, b"{}")
    content = getattr(event, event_type)
    return Entry(event_type, _encode(fields_of(content)), _key(event_type, content))


def _key(event_type: str, content: Any) -> str:
    """Return the id of the item or of whom else an event is of: a session, if need be."""
    if event_type == "item":
        return str(content.item_id)
    if event_type == "interaction" and not content.user_id and content.session_id:
        return anonymous_id(content.session_id)
    return str(content.user_id)


def refusal(entry: Entry, *, now_ms: int) -> str:
    """Return why the flow will refuse an event, ``""`` where it won't."""
    try:
        decode(entry.event_type, entry.payload, now_ms=now_ms)
    except EventRefused as refused:
        return refused.message
    return ""


def forget(user_id: str, *, now_ms: int) -> Entry:
    """Return a user's wish to be forgotten, as the event log takes it."""
    return Entry("forget", _encode({"user_id": user_id, "time_ms": now_ms}), user_id)


def _interaction(event: pb.Interaction) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "event_id": event.event_id,
        "user_id": event.user_id,
        "item_id": event.item_id,
        "kind": event.kind,
        "time_ms": event.time_ms,
    }
    _add_given(fields, event, ("session_id", "request_id", "position"))
    if not event.user_id and event.session_id:
        del fields["user_id"]
    if event.HasField("value"):
        fields["value"] = _number(event.value)
    if event.context:
        fields["context"] = dict(event.context)
    return fields


def _impression(event: pb.Impression) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "request_id": event.request_id,
        "user_id": event.user_id,
        "time_ms": event.time_ms,
        "items": [_shown(item) for item in event.items],
        "model_version": event.model_version,
    }
    if event.variant:
        fields["variant"] = event.variant
    return fields


def _shown(item: pb.ShownItem) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "item_id": item.item_id,
        "position": item.position,
        "score": _number(item.score),
        "sources": list(item.sources),
        "features": [_number(value) for value in item.features],
    }
    if item.propensity:  # 0 is what protobuf reads where none was sent
        fields["propensity"] = _number(item.propensity)
    return fields


def _item(event: pb.ItemUpdate) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "item_id": event.item_id,
        "deleted": event.deleted,
        "title": event.title,
        "categories": list(event.categories),
        "min_age": event.min_age,
        "regions": list(event.regions),
        "blocked_regions": list(event.blocked_regions),
        "sponsored": event.sponsored,
        "attributes": dict(event.attributes),
    }
    _add_given(fields, event, ("time_ms", "in_stock", "seller_id", "created_ms"))
    if event.HasField("price"):
        fields["price"] = _number(event.price)
    return fields


def _add_given(fields: dict[str, Any], event: Any, names: tuple[str, ...]) -> None:
    for name in names:
        if event.HasField(name):
            fields[name] = getattr(event, name)


def _number(value: float) -> float | str:
    """Return a number that JSON has; for any other its name, which is refused with its path."""
    return value if math.isfinite(value) else str(value)


_FIELDS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "interaction": _interaction,
    "impression": _impression,
    "item": _item,
}
