"""Requests that make no sense are refused, with the field, its value and what to send."""

from __future__ import annotations

import pytest

from schemas.errors import RequestRefused
from schemas.positions import Position
from serving import requests as checks

NOW_MS = 1_760_000_000_000


@pytest.mark.parametrize(("k", "asked"), [(0, 20), (1, 1), (1_000, 1_000)])
def test_k_within_bounds_is_taken(k: int, asked: int) -> None:
    assert checks.checked_k(k) == asked


def test_k_beyond_bounds_is_refused() -> None:
    with pytest.raises(RequestRefused, match=r"`k` is 1001: ask for 1 to 1000 items"):
        checks.checked_k(1_001)


@pytest.mark.parametrize("value", ["a", "x" * 256, "ü" * 128, "with space", "🙂" * 64])
def test_id_of_up_to_256_bytes_is_taken(value: str) -> None:
    assert checks.checked_id("user_id", value) == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "`user_id` is empty: send an id of 1 to 256 bytes"),
        ("x" * 257, "`user_id` has 257 bytes"),
        ("ü" * 129, "`user_id` has 258 bytes"),
        ("ü" * 300, "`user_id` has 600 bytes: send 256 at most"),
        ("a\x00b", r"`user_id` has a control character: 'a\\x00b'"),
        ("a\nb", "`user_id` has a control character"),
    ],
)
def test_unfit_id_is_refused_by_name(value: str, message: str) -> None:
    with pytest.raises(RequestRefused, match=message):
        checks.checked_id("user_id", value)


def test_unfit_item_of_many_is_named_by_its_place() -> None:
    with pytest.raises(RequestRefused, match=r"`item_ids\[1\]` is empty"):
        checks.checked_item_ids(["a", ""])


@pytest.mark.parametrize("count", [0, 1_001])
def test_number_of_items_to_score_is_bounded(count: int) -> None:
    with pytest.raises(RequestRefused, match=f"`item_ids` names {count} items: send 1 to 1000"):
        checks.checked_item_ids(["a"] * count)


def test_context_of_too_many_fields_is_refused() -> None:
    assert checks.checked_context({"device": "phone"}) == {"device": "phone"}
    with pytest.raises(RequestRefused, match="`context` has 65 fields: send 64 at most"):
        checks.checked_context({str(n): "" for n in range(65)})


@pytest.mark.parametrize(
    ("time_ms", "message"),
    [
        (NOW_MS // 1000, "`time_ms` is 1760000000, before 1990: are these seconds"),
        (NOW_MS + 3 * 86_400_000, "`time_ms` is .* 3.0 days ahead: at most 1"),
        (-1, "`time_ms` is -1, before 1990"),
    ],
)
def test_moment_that_is_none_is_refused(time_ms: int, message: str) -> None:
    with pytest.raises(RequestRefused, match=message):
        checks.checked_time(time_ms, now_ms=NOW_MS)


def test_token_of_track_is_read_and_none_is_none() -> None:
    position = Position("events", 0, 2**60)
    assert checks.checked_after(position.token()) == position
    assert checks.checked_after("") is None


@pytest.mark.parametrize("token", ["x", "é", "AAAA", "a" * 9_999, "k6ZldmVudHMA\n", "=", "🙂"])
def test_garbage_in_place_of_a_token_is_refused(token: str) -> None:
    with pytest.raises(RequestRefused, match=r"`after`: .*send a `position` as Track") as refused:
        checks.checked_after(token)
    assert len(str(refused.value)) < 400


def test_events_of_one_call_are_bounded() -> None:
    checks.check_events(1_000)
    with pytest.raises(RequestRefused, match="`events` holds 1001 events: send 1000 a call"):
        checks.check_events(1_001)
