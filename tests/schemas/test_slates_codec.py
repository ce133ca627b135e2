"""A user's slates survive their way through bytes, and damaged bytes are noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.slates import Answer, Given, Served, ServedSlate, Slates
from schemas.slates_codec import decode_slates, encode_slates, pack_details, unpack_items
from tests.serving.states import slates

_texts, _ints = st.text(max_size=20), st.integers(0, 2**62)
_places = st.lists(st.integers(0, 199), max_size=5).map(tuple)
_served = st.builds(
    Served, _texts, _ints, st.floats(0, 1), st.lists(st.floats(width=32)).map(repr).map(str.encode)
)
_ids, _details = st.lists(_texts, max_size=5).map(tuple), st.binary(max_size=9)
_shown = st.builds(ServedSlate, _texts, _ints, _ids, _details, _ints, _texts, _places)
_answers = st.builds(Answer, _texts, _texts, st.floats(0, 1_000), _ints)
_given = st.builds(Given, _texts, _ints, _ints, _texts, _places, _ints, st.floats(0, 1_000), _ints)
any_slates = st.builds(
    Slates,
    _texts,
    st.lists(_shown, max_size=3).map(tuple),
    st.lists(_answers, max_size=3).map(tuple),
    st.lists(_given, max_size=3).map(tuple),
    st.lists(_shown, max_size=3).map(tuple),
)


def slate_of(items: tuple[Served, ...]) -> ServedSlate:
    return ServedSlate("r", 0, tuple(item.item_id for item in items), pack_details(items))


@given(any_slates)
def test_decoded_slates_equal_the_encoded_ones(kept: Slates) -> None:
    assert decode_slates(kept.user_id, encode_slates(kept)) == kept


def test_the_users_id_is_not_stored() -> None:
    assert b"somebody" not in encode_slates(Slates("somebody"))
    assert decode_slates("another", encode_slates(Slates("somebody"))) == Slates("another")


def test_features_take_four_bytes_each() -> None:
    features = bytes(range(256)) * 5  # of 20 items with 16 features each
    items = tuple(Served(f"item-{n}", n, 0.5, features[64 * n : 64 * n + 64]) for n in range(20))
    kept = Slates("ann", open=(slate_of(items),))
    assert len(encode_slates(kept)) < len(features) + 20 * 25


@given(st.lists(_served, max_size=30).map(tuple))
def test_unpacked_items_equal_the_packed_ones(items: tuple[Served, ...]) -> None:
    assert unpack_items(slate_of(items)) == items


def test_features_that_are_alike_are_deflated() -> None:
    items = tuple(Served(f"i{n}", n, 1.0, bytes(64)) for n in range(20))
    assert len(pack_details(items)) < 200


@pytest.mark.parametrize(
    ("details", "message"),
    [
        (b"", "details of format b'' are unknown, 1 and 2 are known"),
        (b"\x07", r"details of format b'\\x07' are unknown"),
        (b"\x01\x93abc", "damaged details of a slate: Expected `array`"),
        (b"\x02\xff\xff\xff", "damaged details of a slate: Error -3"),
        (pack_details([Served("a", 0, 1.0, bytes(999))])[:-3], "they are cut short"),
        (pack_details([]), r"damaged details of a slate: zip\(\) argument 2 is shorter"),
    ],
)
def test_damaged_details_are_refused(details: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unpack_items(ServedSlate("r", 0, ("a",), details))


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (b"", "format b'' are unknown"),
        (b"\x09abc", r"format b'\\t' are unknown"),
        (b"\x01\x93abc", "damaged slates"),
        (encode_slates(slates("ann"))[:-9], "damaged slates: Input data was truncated"),
    ],
)
def test_damaged_bytes_are_refused(damaged: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_slates("ann", damaged)
