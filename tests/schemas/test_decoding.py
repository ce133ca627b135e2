"""Every refusal of an event, with its reason and what it says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decoding import EARLIEST_MS, FUTURE_MS, MAX_EVENT_BYTES, check_time, decode, user_of
from schemas.errors import EventRefused
from schemas.events import EVENT_TYPES, Forget, Impression, Interaction, ItemUpdate

NOW_MS = 1_700_000_000_000
CLICK = {"event_id": "e", "user_id": "u", "item_id": "i", "kind": "click", "time_ms": NOW_MS}


def refusal(payload: bytes | dict[str, Any], event_type: str = "interaction") -> tuple[str, str]:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    with pytest.raises(EventRefused) as caught:
        decode(event_type, raw, now_ms=NOW_MS)
    return caught.value.reason, caught.value.message


@pytest.mark.parametrize(
    ("event_type", "payload", "expected"),
    [
        (
            "interaction",
            CLICK,
            Interaction(event_id="e", user_id="u", item_id="i", kind="click", time_ms=NOW_MS),
        ),
        (
            "impression",
            {"request_id": "r", "user_id": "u", "time_ms": NOW_MS, "items": []},
            Impression(request_id="r", user_id="u", time_ms=NOW_MS, items=()),
        ),
        ("item", {"item_id": "i", "deleted": True}, ItemUpdate(item_id="i", deleted=True)),
        ("forget", {"user_id": "u"}, Forget(user_id="u")),
    ],
)
def test_a_well_formed_event_is_its_struct(event_type: str, payload: Any, expected: Any) -> None:
    assert decode(event_type, json.dumps(payload).encode(), now_ms=NOW_MS) == expected


def test_unknown_fields_are_ignored() -> None:
    payload = json.dumps(CLICK | {"theirs": {"deep": [1]}}).encode()
    assert decode("interaction", payload, now_ms=NOW_MS).user_id == "u"


@pytest.mark.parametrize(
    ("time_ms", "said"),
    [
        (10**400, "is a number beyond 64 bits, 106751"),
        (-(10**5_000), "is a number beyond 64 bits, before 1990"),
    ],
    ids=["far ahead", "far behind"],
)
def test_a_time_of_any_number_of_digits_is_refused(time_ms: int, said: str) -> None:
    with pytest.raises(EventRefused, match=said) as refused:
        check_time(time_ms, now_ms=NOW_MS)
    assert refused.value.reason == "time"


@pytest.mark.parametrize("field", CLICK)
def test_a_missing_field_is_named(field: str) -> None:
    said = refusal({name: value for name, value in CLICK.items() if name != field})
    assert said == ("field", f"Object missing required field `{field}` - at `$.{field}`")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user_id": 5}, "Expected `str`, got `int` - at `$.user_id`"),
        ({"user_id": ""}, "Expected `str` of length >= 1 - at `$.user_id`"),
        ({"user_id": "x" * 257}, "Expected `str` of length <= 256 - at `$.user_id`"),
        ({"item_id": "é" * 129}, "`item_id` has 258 bytes, at most 256 fit"),
        ({"event_id": "a\x00b"}, "`event_id` has a control character: 'a\\x00b'"),
        ({"session_id": "a\n"}, "`session_id` has a control character: 'a\\n'"),
        ({"request_id": "\x85"}, "`request_id` has a control character: '\\x85'"),
        ({"time_ms": "now"}, "Expected `int`, got `str` - at `$.time_ms`"),
        ({"time_ms": 1.5}, "Expected `int`, got `float` - at `$.time_ms`"),
        ({"time_ms": 2**53}, "Expected `int` <= 9007199254740991 - at `$.time_ms`"),
        ({"kind": ""}, "Expected `str` of length >= 1 - at `$.kind`"),
        ({"kind": "k" * 65}, "Expected `str` of length <= 64 - at `$.kind`"),
        ({"value": "5"}, "Expected `float | null`, got `str` - at `$.value`"),
        ({"position": -1}, "Expected `int` >= 0 - at `$.position`"),
        ({"position": 2**31}, "Expected `int` <= 2147483647 - at `$.position`"),
        (
            {"context": {"a": [1]}},
            "Expected `bool | int | float | str`, got `array` - at `$.context[...]`",
        ),
        ({"context": {"a": 2**63}}, "Expected `int` <= 9223372036854775807 - at `$.context[...]`"),
        ({"context": {"a": "x" * 1025}}, "Expected `str` of length <= 1024 - at `$.context[...]`"),
        ({"context": {"x" * 65: 1}}, "Expected `str` of length <= 64 - at `key` in `$.context`"),
        (
            {"context": {str(n): n for n in range(65)}},
            "Expected `object` of length <= 64 - at `$.context`",
        ),
    ],
)
def test_a_bad_field_is_told_with_its_path_and_bound(change: dict[str, Any], message: str) -> None:
    assert refusal(CLICK | change) == ("field", message)


@pytest.mark.parametrize(
    ("event_type", "payload"),
    [
        ("impression", {"request_id": "\x00", "user_id": "u", "time_ms": NOW_MS, "items": []}),
        ("impression", {"request_id": "r", "user_id": "\x00", "time_ms": NOW_MS, "items": []}),
        (
            "impression",
            {
                "request_id": "r",
                "user_id": "u",
                "time_ms": NOW_MS,
                "items": [{"item_id": "\x00", "position": 0, "score": 1.0}],
            },
        ),
        ("item", {"item_id": "\x00"}),
        ("item", {"item_id": "i", "seller_id": "\x00"}),
        ("forget", {"user_id": "\x00"}),
    ],
)
def test_control_characters_are_refused_in_every_id(event_type: str, payload: Any) -> None:
    reason, message = refusal(payload, event_type)
    assert reason == "field"
    assert "has a control character" in message


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "Input data was truncated"),
        (b'{"event_id":"e', "Input data was truncated"),
        (b"\x00", "JSON is malformed: invalid character (byte 0)"),
        (b'{"event_id":"e\x00"}', "JSON is malformed: invalid character (byte 14)"),
        (b'{"event_id":"\\ud800abcdef"}', "surrogate"),
        (b'{"event_id":"\xff"}', "can't decode byte 0xff"),
        (b'{"a":' * 100_000, "recursion"),
        (json.dumps(CLICK).encode() + b"{}", "trailing characters"),
    ],
)
def test_what_is_no_json_is_malformed(payload: bytes, message: str) -> None:
    reason, said = refusal(payload)
    assert reason == "malformed"
    assert said.startswith("not valid JSON: ")
    assert message in said


@pytest.mark.parametrize(("payload", "got"), [(b"[]", "array"), (b"null", "null"), (b"5", "int")])
def test_json_that_is_no_object_is_told(payload: bytes, got: str) -> None:
    assert refusal(payload) == ("field", f"Expected `object`, got `{got}`")


def test_an_event_that_is_too_large_is_not_read() -> None:
    assert refusal(b"x" * (MAX_EVENT_BYTES + 1)) == (
        "size",
        "the event has 1048577 bytes, at most 1048576 are read",
    )


def test_an_unknown_type_is_told_with_the_known_ones() -> None:
    assert refusal(b"{}", "purchase") == (
        "kind",
        "event type 'purchase' is unknown, use one of interaction, impression, item, forget",
    )


def test_seconds_sent_as_milliseconds_are_told() -> None:
    assert refusal(CLICK | {"time_ms": 1_700_000_000}) == (
        "time",
        "`$.time_ms` is 1700000000, before 1990: are these seconds? Send milliseconds",
    )


def test_a_time_far_ahead_is_told() -> None:
    assert refusal(CLICK | {"time_ms": NOW_MS + 2 * FUTURE_MS}) == (
        "time",
        f"`$.time_ms` is {NOW_MS + 2 * FUTURE_MS}, 2.0 days ahead: at most 1 is accepted",
    )


@pytest.mark.parametrize("time_ms", [EARLIEST_MS, NOW_MS + FUTURE_MS])
def test_the_bounds_of_time_are_accepted(time_ms: int) -> None:
    payload = json.dumps(CLICK | {"time_ms": time_ms}).encode()
    assert decode("interaction", payload, now_ms=NOW_MS).time_ms == time_ms


@pytest.mark.parametrize("event_type", EVENT_TYPES)
@given(payload=st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_refusal(event_type: str, payload: bytes) -> None:
    try:
        decode(event_type, payload, now_ms=NOW_MS)
        reason = "none"
    except EventRefused as refused:
        reason = refused.reason
    assert reason in {"none", "malformed", "field", "time"}


@pytest.mark.parametrize(
    ("payload", "user_id"),
    [
        (b'{"user_id":"u1","time_ms":', "u1"),
        (b'{"user_id" : "u 1"', "u 1"),
        ('{"user_id":"é"'.encode(), "é"),
        (b'{"user_id":"\xff"', "\ufffd"),
        (b'{"user_id":"a\\"b\\\\c"', 'a"b\\c'),
        (b'{"user_id":"\\u2603"', "\u2603"),
        (b'{"user_id":"\\q"', "\\q"),
        (b'{"user_id":"' + b"u" * 300 + b'"', ""),
        (b'{"user_id":"no end', ""),
        (b'{"user_id":5}', ""),
        (b"", ""),
    ],
)
def test_the_user_of_a_refused_payload_is_guessed(payload: bytes, user_id: str) -> None:
    assert user_of(payload) == user_id
