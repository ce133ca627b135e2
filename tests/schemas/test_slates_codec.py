"""A user's slates survive their way through bytes, and damaged bytes are noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.slates import Answer, Given, Served, ServedSlate, Slates
from schemas.slates_codec import decode_slates, encode_slates
from tests.serving.states import slates

_texts, _ints = st.text(max_size=20), st.integers(0, 2**62)
_places = st.lists(st.integers(0, 199), max_size=5).map(tuple)
_served = st.builds(
    Served, _texts, _ints, st.floats(0, 1), st.lists(st.floats(width=32)).map(repr).map(str.encode)
)
_shown = st.builds(
    ServedSlate, _texts, _ints, st.lists(_served, max_size=5).map(tuple), _ints, _texts, _places
)
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


@given(any_slates)
def test_decoded_slates_equal_the_encoded_ones(kept: Slates) -> None:
    assert decode_slates(kept.user_id, encode_slates(kept)) == kept


def test_the_users_id_is_not_stored() -> None:
    assert b"somebody" not in encode_slates(Slates("somebody"))
    assert decode_slates("another", encode_slates(Slates("somebody"))) == Slates("another")


def test_features_take_four_bytes_each() -> None:
    features = bytes(range(256)) * 5  # of 20 items with 16 features each
    items = tuple(Served(f"item-{n}", n, 0.5, features[64 * n : 64 * n + 64]) for n in range(20))
    kept = Slates("ann", open=(ServedSlate("r", 0, items),))
    assert len(encode_slates(kept)) < len(features) + 20 * 25


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (b"", "format b'' are unknown"),
        (b"\x09abc", r"format b'\\t' are unknown"),
        (b"\x01\x93abc", "damaged slates"),
        (b"\x02\xff\xff\xff", "damaged slates"),
        (encode_slates(slates("ann"))[:-9], "cut short"),
    ],
)
def test_damaged_bytes_are_refused(damaged: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_slates("ann", damaged)
