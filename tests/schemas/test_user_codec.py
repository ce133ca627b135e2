"""A user's state survives its way through bytes, and damaged bytes are noticed."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from schemas.user_codec import decode_user, encode_user
from schemas.user_columns import Head
from schemas.user_state import Session, UserState, Visit
from tests.serving.states import START_MS, any_user, busy_user, user

IN_COLUMNS = encode_user(user("ann", 50))
PLAIN = base64.b85decode(
    "0o(u+rD-q<X)%$dV{B<-Ymxu}lFtAD0h!1wzyQqy=#l^ck^lh1k|-#W005wnk(HnT0?z;d0h!1w$IyYMWMy_~V`ZgqXm"
    "4(10nY#c0h!1w$IuAG5P$#x000001rPuL000000icnRre$_zZgg`1kN"
)
DEFLATED = base64.b85decode(
    "0=vT?eA7D9fGg9GE7OQ8)0ivMge%jOE7OdNIKfFv$}&^SmnP?ACTHJa5Mf|s#6Upd^9&4(Gf(IoU^vVCf;<E=8wMB=3}"
    "j)LD3Cq`5*Ne-6Bbu+RZe1HoH%s>6AQ#qx?C2G%TiLyGLuu67G&h-r82|CIgV(+%=DMubE5&snP*<P5hV6D*sK%8x5@"
    "jQ1mZ7DnK)@#T4qkFRU*U0Nes*Y"
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(any_user)
def test_decoded_state_equals_the_encoded_one(state: UserState) -> None:
    assert decode_user(state.user_id, encode_user(state)) == state


@pytest.mark.parametrize("visits", [0, 1, 4, 5, 50])
def test_history_of_any_length_survives(visits: int) -> None:
    assert decode_user("ann", encode_user(user("ann", visits))) == user("ann", visits)


def with_offsets(state: UserState, *offsets: int) -> UserState:
    visits = zip(state.history, offsets, strict=True)
    history = [msgspec.structs.replace(visit, offset=offset) for visit, offset in visits]
    return msgspec.structs.replace(state, history=tuple(history))


def test_offsets_of_a_file_survive() -> None:
    state = with_offsets(user("ann", 20), *[17 * n for n in range(20)])
    assert decode_user("ann", encode_user(state)) == state


def test_offsets_of_several_sources_survive() -> None:
    state = with_offsets(user("ann", 20), *[2**50 * (n % 3) + n for n in range(20)])
    assert decode_user("ann", encode_user(state)) == state


@pytest.mark.parametrize(
    "keys",
    [("", ""), ("0a1b2c3d4e", "ffffffffff"), ("0a1b2c3d4e", ""), ("0A1B2C3D4E", "s 2"), ("",)],
)
def test_keys_of_sessions_survive(keys: tuple[str, ...]) -> None:
    sessions = [Session(key, n, 3, START_MS + n, {}) for n, key in enumerate(keys)]
    state = msgspec.structs.replace(user("ann", 20), sessions=tuple(sessions))
    assert decode_user("ann", encode_user(state)) == state


def test_times_in_whole_seconds_take_no_more_than_seconds() -> None:
    def taking(jitter_ms: int) -> int:
        times = [START_MS + n * n * 1_000 + n * jitter_ms % 997 for n in range(50)]
        visits = [Visit(f"{n}", "click", time_ms, 0, 0, n) for n, time_ms in enumerate(times)]
        state = UserState("ann", tuple(visits), newest_ms=START_MS)
        assert decode_user("ann", encode_user(state)) == state
        return len(encode_user(state))

    assert taking(0) < taking(7) - 49


def test_fifty_visits_of_more_random_times_than_real_ones_take_680_bytes() -> None:
    assert max(len(encode_user(busy_user("ann", seed))) for seed in range(20)) <= 680


def test_contexts_that_are_alike_are_kept_once() -> None:
    def taking(*contexts: dict[str, str]) -> int:
        sessions = [Session("", n, 1, START_MS, one) for n, one in enumerate(contexts)]
        state = msgspec.structs.replace(user("ann", 50), sessions=tuple(sessions))
        assert decode_user("ann", encode_user(state)) == state
        return len(encode_user(state))

    one = {"a field of few values": "one of them", "another": "x"}
    assert taking(*[one] * 8) < taking(one) + 25


def test_every_field_of_a_state_is_stored() -> None:
    told = {"user_id", "history", "recent_ids", *Head.__struct_fields__}
    assert set(UserState.__struct_fields__) <= told
    assert set(Visit.__struct_fields__) == {
        "item_id", "kind", "time_ms", "session", "origin", "offset",
    }  # fmt: skip


def test_line_break_in_an_id_is_refused() -> None:
    with pytest.raises(ValueError, match=r"line break: 'a\\nb'"):
        encode_user(msgspec.structs.replace(user("ann", 9), disliked=("x", "a\nb")))


def test_state_of_the_first_format_is_read_with_the_hashes_of_today() -> None:
    hashes = ((2**63 + 5) >> 24, 2**60 >> 24)
    state = msgspec.structs.replace(user("ann", 2), recent_ids=hashes)
    assert decode_user("ann", PLAIN) == state


def test_state_of_the_second_format_is_read_with_the_hashes_of_today() -> None:
    state = decode_user("ann", DEFLATED)
    assert [visit.offset for visit in state.history] == [17 * n for n in range(20)]
    assert [visit.session for visit in state.history] == [n // 9 for n in range(20)]
    assert state.history[3] == Visit("i3", "view", START_MS + 3_000, 0, 0, 51)
    assert state.recent_ids == tuple(n * 2_654_435_761 * 2**31 % 2**64 >> 24 for n in range(5))
    assert state.older == (("x", 0), ("y", 1))
    assert state.sessions == (Session("", 2, 4, START_MS + 19_000, {"device": "phone"}),)
    assert (state.disliked, state.origins, state.refused) == (("d",), (("file:a", 0),), ((0, 3),))


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (b"", "format b'' is unknown"),
        (b"\x09abc", r"format b'\\t' is unknown, 1 to 4 are known"),
        (b"\x01\x93abc", "damaged user state"),
        (b"\x02\xff\xff\xff", "damaged user state"),
        (DEFLATED[:-9], "cut short"),
        (b"\x03\xff\xff\xff", "damaged user state"),
        (IN_COLUMNS[:30], "cut short"),
        (IN_COLUMNS[:-9], "bytes are wanted, .* are left"),
        (b"\x04\xff\xff\xff", "damaged user state"),
        (encode_user(user("ann", 3))[:-9], "cut short"),
    ],
)
def test_damaged_bytes_are_refused(damaged: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_user("ann", damaged)
