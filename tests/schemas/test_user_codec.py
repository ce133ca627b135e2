"""A user's state survives its way through bytes, and damaged bytes are noticed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from schemas.user_codec import _Columns, decode_user, encode_user
from schemas.user_state import UserState, Visit
from tests.serving.states import any_user, user


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(any_user)
def test_decoded_state_equals_the_encoded_one(state: UserState) -> None:
    assert decode_user(state.user_id, encode_user(state)) == state


@pytest.mark.parametrize("visits", [0, 1, 2, 50])
def test_history_of_any_length_survives(visits: int) -> None:
    assert decode_user("ann", encode_user(user("ann", visits))) == user("ann", visits)


def test_offsets_of_a_file_survive() -> None:
    state = user("ann", 20)
    visits = tuple(
        msgspec.structs.replace(visit, offset=17 * n) for n, visit in enumerate(state.history)
    )
    state = msgspec.structs.replace(state, history=visits)
    assert decode_user("ann", encode_user(state)) == state


def test_every_field_of_a_state_is_stored() -> None:
    told = {"user_id", *_Columns.__struct_fields__}
    assert set(UserState.__struct_fields__) - told == {"history", "older", "recent_ids"}
    assert set(Visit.__struct_fields__) == {
        "item_id", "kind", "time_ms", "session", "origin", "offset",
    }  # fmt: skip


def test_line_break_in_an_id_is_refused() -> None:
    with pytest.raises(ValueError, match=r"line break: 'a\\nb'"):
        encode_user(UserState("ann", disliked=("x", "a\nb")))


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (b"", "format b'' is unknown"),
        (b"\x09abc", r"format b'\\t' is unknown"),
        (b"\x01\x93abc", "damaged user state"),
        (b"\x02\xff\xff\xff", "damaged user state"),
        (encode_user(user("ann", 50))[:-9], "cut short"),
    ],
)
def test_damaged_bytes_are_refused(damaged: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_user("ann", damaged)
