"""A user's slates as bytes: msgpack, with what was served of each slate's items packed once.

Slates are written again with every answer, while their items never change: so these are packed,
and deflated, when the slate is shown, and unpacked only for a label. The user's id is not stored,
as the key names it. The first byte tells the format. A slate of 20 items with 17 features each
takes 1 to 2 kB, most of it features.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from schemas.slates import Served, ServedSlate, Slates

_PLAIN, _DEFLATED = b"\x01", b"\x02"
_DEFLATE_FROM_BYTES = 160
_LARGEST_BYTES = 64 << 20


class _Details(Struct, frozen=True, array_like=True, gc=False):
    positions: list[int]
    propensities: list[float]
    features: list[bytes]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Slates)
_DETAILS = msgspec.msgpack.Decoder(_Details)


def encode_slates(slates: Slates) -> bytes:
    """Return slates as bytes, without the user's id."""
    return _PLAIN + _ENCODER.encode(msgspec.structs.replace(slates, user_id=""))


def decode_slates(user_id: str, payload: bytes) -> Slates:
    """Return the slates that ``encode_slates`` made of this user's.

    Raises
    ------
    ValueError
        The bytes are of an unknown format, or damaged.
    """
    if payload[:1] != _PLAIN:
        raise ValueError(f"slates of format {payload[:1]!r} are unknown, 1 is known")
    try:
        slates = _DECODER.decode(payload[1:])
    except msgspec.DecodeError as error:
        raise ValueError(f"damaged slates: {error}") from error
    return msgspec.structs.replace(slates, user_id=user_id)


def pack_details(items: Sequence[Served]) -> bytes:
    """Return all of a slate's items but their ids, as bytes.

    Examples
    --------
    >>> items = (Served("tea", 0), Served("milk", 1, 0.5))
    >>> unpack_items(ServedSlate("r", 0, ("tea", "milk"), pack_details(items))) == items
    True
    """
    details = _Details(
        [item.position for item in items],
        [item.propensity for item in items],
        [item.features for item in items],
    )
    payload = _ENCODER.encode(details)
    if len(payload) < _DEFLATE_FROM_BYTES:
        return _PLAIN + payload
    deflate = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return _DEFLATED + deflate.compress(payload) + deflate.flush()


def unpack_items(slate: ServedSlate) -> tuple[Served, ...]:
    """Return the items of a slate, as they were served.

    Raises
    ------
    ValueError
        The details are of an unknown format, damaged, or those of other items.
    """
    form, body = slate.details[:1], slate.details[1:]
    if form == _DEFLATED:
        body = _inflated(body)
    elif form != _PLAIN:
        raise ValueError(f"details of format {form!r} are unknown, 1 and 2 are known")
    try:
        details = _DETAILS.decode(body)
        columns = (details.positions, details.propensities, details.features)
        return tuple([Served(*row) for row in zip(slate.item_ids, *columns, strict=True)])
    except (msgspec.DecodeError, ValueError) as error:
        raise ValueError(f"damaged details of a slate: {error}") from error


def _inflated(body: bytes) -> bytes:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        whole = inflate.decompress(body, _LARGEST_BYTES)
    except zlib.error as error:
        raise ValueError(f"damaged details of a slate: {error}") from error
    if not inflate.eof:
        raise ValueError("damaged details of a slate: they are cut short")
    return whole
