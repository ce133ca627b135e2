"""Messages become records; those without a value become what they mean."""

from __future__ import annotations

import pytest
from confluent_kafka import (
    TIMESTAMP_CREATE_TIME,
    TIMESTAMP_LOG_APPEND_TIME,
    TIMESTAMP_NOT_AVAILABLE,
    KafkaError,
)

from flows.batches import Refused
from flows.sources.kafka_records import appended_ms, records_of
from schemas.decoding import decode
from schemas.events import Forget, ItemUpdate
from tests.flows.streams import NOW_MS, START_MS


class Fetched:
    """A message as a consumer gives it."""

    def __init__(
        self,
        value: bytes | None,
        key: bytes | None = None,
        *,
        time_ms: int = START_MS,
        kind: int = TIMESTAMP_CREATE_TIME,
    ) -> None:
        self._value, self._key, self._time = value, key, (kind, time_ms)

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 7

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return self._time

    def error(self) -> KafkaError | None:
        return None


def record(message: Fetched, event_type: str) -> tuple[str | Refused, bytes]:
    [(offset, kind, payload)] = records_of([message], event_type, now_ms=lambda: NOW_MS)
    assert offset == 7
    return kind, payload


def forgotten(message: Fetched) -> Forget:
    kind, payload = record(message, "forget")
    assert isinstance(kind, str)
    event = decode(kind, payload, now_ms=NOW_MS)
    assert isinstance(event, Forget)
    return event


def test_bytes_are_handed_on_as_they_are() -> None:
    value = b'{"any": "thing"}'
    kind, payload = record(Fetched(value), "interaction")
    assert kind == "interaction"
    assert payload is value


def test_an_item_without_a_value_is_deleted() -> None:
    kind, payload = record(Fetched(None, "tee \N{TEACUP WITHOUT HANDLE}".encode()), "item")
    assert kind == "item"
    deletion = ItemUpdate(item_id="tee \N{TEACUP WITHOUT HANDLE}", deleted=True)
    assert decode("item", payload, now_ms=NOW_MS) == deletion


@pytest.mark.parametrize("key", [None, b""])
def test_an_item_without_key_and_value_is_refused(key: bytes | None) -> None:
    refused = Refused("malformed", "the record has neither a key nor a value", "item")
    assert record(Fetched(None, key), "item") == (refused, b"")


@pytest.mark.parametrize("event_type", ["interaction", "impression", "forget"])
def test_other_events_without_a_value_are_refused(event_type: str) -> None:
    refused = Refused("malformed", "the record has no value", event_type, "ann")
    assert record(Fetched(None, b"ann"), event_type) == (refused, b"")


@pytest.mark.parametrize("key", [b"x" * 257, b"\xff" * 90])
def test_a_key_that_is_no_id_is_nobody_s(key: bytes) -> None:
    refused, _ = record(Fetched(None, key), "interaction")
    assert isinstance(refused, Refused)
    assert refused.user_id == ""


def test_forgetting_without_a_time_takes_that_of_the_message() -> None:
    message = Fetched(b'{"user_id": "ann", "more": 1}')
    assert forgotten(message) == Forget(user_id="ann", time_ms=START_MS)


def test_forgetting_keeps_a_time_of_its_own() -> None:
    value = b'{"user_id": "ann", "time_ms": 1700000000000}'
    assert record(Fetched(value), "forget") == ("forget", value)


def test_forgetting_is_not_refused_for_a_producer_s_clock() -> None:
    ahead = Fetched(b'{"user_id": "ann"}', time_ms=NOW_MS + 10**10)
    assert forgotten(ahead) == Forget(user_id="ann", time_ms=NOW_MS)
    assert forgotten(Fetched(b'{"user_id": "ann"}', time_ms=5)) == Forget(user_id="ann")
    none = Fetched(b'{"user_id": "ann"}', time_ms=-1, kind=TIMESTAMP_NOT_AVAILABLE)
    assert forgotten(none) == Forget(user_id="ann")


@pytest.mark.parametrize("value", [b"{", b'{"user_id": 3}', b"\xff", b"[" * 100_000])
def test_what_is_no_wish_to_forget_keeps_its_bytes(value: bytes) -> None:
    assert record(Fetched(value), "forget") == ("forget", value)


def test_both_kinds_of_timestamps_tell_when_a_message_came() -> None:
    for kind in (TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME):
        assert appended_ms(Fetched(b"", time_ms=5, kind=kind)) == 5
    assert appended_ms(Fetched(b"", kind=TIMESTAMP_NOT_AVAILABLE)) is None
