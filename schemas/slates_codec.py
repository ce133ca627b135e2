"""A user's slates as bytes: msgpack, deflated where that makes them a tenth shorter.

The user's id is not stored, as the key names it. The first byte tells the format. A slate of 20
items with 20 features each takes about 2 kB, most of it features, which hardly deflate.
"""

from __future__ import annotations

import zlib

import msgspec

from schemas.slates import Slates

_PLAIN, _DEFLATED = b"\x01", b"\x02"
_DEFLATE_FROM_BYTES = 160
_LARGEST_BYTES = 64 << 20

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Slates)


def encode_slates(slates: Slates) -> bytes:
    """Return slates as bytes, without the user's id."""
    payload = _ENCODER.encode(msgspec.structs.replace(slates, user_id=""))
    if len(payload) >= _DEFLATE_FROM_BYTES:
        deflate = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
        deflated = deflate.compress(payload) + deflate.flush()
        if len(deflated) < 0.9 * len(payload):
            return _DEFLATED + deflated
    return _PLAIN + payload


def decode_slates(user_id: str, payload: bytes) -> Slates:
    """Return the slates that ``encode_slates`` made of this user's.

    Raises
    ------
    ValueError
        The bytes are of an unknown format, or damaged.
    """
    body = payload[1:]
    if payload[:1] == _DEFLATED:
        body = inflated(body)
    elif payload[:1] != _PLAIN:
        raise ValueError(f"slates of format {payload[:1]!r} are unknown, 1 and 2 are known")
    try:
        slates = _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise ValueError(f"damaged slates: {error}") from error
    return msgspec.structs.replace(slates, user_id=user_id)


def inflated(body: bytes) -> bytes:
    """Return what was deflated without a header.

    Raises
    ------
    ValueError
        The bytes are damaged.
    """
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        whole = inflate.decompress(body, _LARGEST_BYTES)
    except zlib.error as error:
        raise ValueError(f"damaged slates: {error}") from error
    if not inflate.eof:
        raise ValueError("damaged slates: they are cut short")
    return whole
