"""Kafka's messages as records: bytes are handed on as they are, but for what has no bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from flows.batches import Record, Refused
from flows.sources.kafka_inbox import Fetched, appended_ms
from schemas.decoding import EARLIEST_MS
from schemas.events import MAX_ID_BYTES, Forget, ItemUpdate

_forget = msgspec.json.Decoder(Forget)


def records_of(
    messages: Sequence[Fetched],
    event_type: str,
    *,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> list[Record]:
    """Return messages of one partition as records, in order.

    An item's message without a value, which compaction takes for its deletion, becomes that. A
    ``Forget`` without a time takes the message's own. Other messages without a value are refused.
    """
    if event_type == "forget":
        return [_forgetting(message, now_ms) for message in messages]
    return [
        (message.offset(), event_type, value)
        if (value := message.value()) is not None
        else _without_value(message, event_type)
        for message in messages
    ]


def _without_value(message: Fetched, event_type: str) -> Record:
    key = _key(message)
    if event_type == "item" and key:
        return message.offset(), "item", msgspec.json.encode(ItemUpdate(item_id=key, deleted=True))
    what = "neither a key nor a value" if event_type == "item" else "no value"
    user_id = "" if event_type == "item" or len(key.encode()) > MAX_ID_BYTES else key
    refused = Refused("malformed", f"the record has {what}", event_type, user_id)
    return message.offset(), refused, b""


def _forgetting(message: Fetched, now_ms: Callable[[], int]) -> Record:
    value, offset = message.value(), message.offset()
    if value is None:
        return _without_value(message, "forget")
    try:
        forget = _forget.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return offset, "forget", value  # refused by whoever decodes it, with the original bytes
    time_ms = appended_ms(message)
    if forget.time_ms is None and time_ms is not None and time_ms >= EARLIEST_MS:
        timed = msgspec.structs.replace(forget, time_ms=min(time_ms, now_ms()))
        return offset, "forget", msgspec.json.encode(timed)
    return offset, "forget", value


def _key(message: Fetched) -> str:
    return (message.key() or b"").decode(errors="replace")
