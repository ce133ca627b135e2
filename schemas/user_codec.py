"""A user's state as bytes, small enough to keep millions of them in memory.

A history is stored by column (``schemas.columns``, ``schemas.user_columns``), one of a few visits
as it is. What is not packed is deflated, with a dictionary of names that are common. The user's id
is not stored, as the key names it. The first byte tells the format; older ones are read.

Redis's MEMORY USAGE of a user with 50 visits, median and 95th percentile (offsets of Kafka; those
of the embedded log add 20 to 30): globo, with 6 fields of context in each of 8 sessions, 728 and
760 bytes; generated events 664 and 680; ml-100k, with older items too, 632 and 1,058. That is with
the allocator of libc; jemalloc rounds values up to 640 or 768 bytes, which makes it 736 or 864. 160
of the bytes are hashes of event ids. Measured by ``tests/benchmarks/user_bytes.py``.
"""

from __future__ import annotations

import zlib

import msgspec

from schemas.columns import Ids, Writer
from schemas.user_codec_old import decode_columns
from schemas.user_columns import Head, head_of, state_of
from schemas.user_state import UserState

_OLD_PLAIN, _OLD_DEFLATED, _IN_COLUMNS, _IN_ROWS = _KNOWN = (b"\x01", b"\x02", b"\x03", b"\x04")
_ROWS_UP_TO = 4  # visits: a tenth longer than by columns, and a third of the work
_LARGEST_BYTES = 64 << 20
_WINDOW_BITS = -12  # 4 KB, the dictionary included
_FIXED_UP_TO_BYTES = 400  # a table of codes would be longer than what it saves


def _packed(*names: str) -> bytes:
    return b"".join([msgspec.msgpack.encode(name) for name in names])


# What comes last is the cheapest to refer to. Another dictionary is another format.
_NAMES = _packed(
    *("impressions", "dislike", "skip", "view", "rate", "add_to_cart", "purchase", "events"),
    *("interactions", "category", "campaign", "channel", "source", "medium", "page", "query"),
    *("language", "locale", "timezone", "city", "tenant", "store", "variant", "version"),
    *("windows", "macos", "linux", "ios", "android", "chrome", "safari", "firefox", "edge"),
    *("desktop", "tablet", "app", "web", "mobile", "phone", "en", "us", "gb", "fr", "de"),
    *("browser", "platform", "environment", "referrer", "region", "country", "os", "device"),
)
_USUAL = Head(
    visits=50,
    recent=32,
    recent_bytes=5,
    kinds=("click",),
    unit_ms=1,
    clocked=False,
    newest_ms=0,
    disliked="",
    refused=(),
    older=None,
    items=Ids("", 6, padded=True),
    keys=None,
    sessions=[8, 0, 0, 0, *[-1, 0, 0, 0] * 7],
    origins=(("interactions", 0),),
    contexts=[],
    next_session=0,
    shapes=[],
    first=(),
)
_DICTIONARY = _NAMES + msgspec.msgpack.encode(_USUAL)


_ENCODER = msgspec.msgpack.Encoder()
_ROWS = msgspec.msgpack.Decoder(UserState)
_HEADS = msgspec.msgpack.Decoder(Head)


def encode_user(state: UserState) -> bytes:
    """Return a state as bytes, without the user's id.

    Raises
    ------
    ValueError
        An id contains a line break, which none of an event that passed its checks does.
    """
    if len(state.history) <= _ROWS_UP_TO:
        rows = _ENCODER.encode(msgspec.structs.replace(state, user_id=""))
        return _IN_ROWS + _deflated(rows)
    columns = Writer()
    head = _deflated(_ENCODER.encode(head_of(state, columns)))
    return b"".join((_IN_COLUMNS, head, *columns.parts))


def decode_user(user_id: str, payload: bytes) -> UserState:
    """Return the state that ``encode_user`` made of this user.

    Raises
    ------
    ValueError
        The bytes are of an unknown format, or damaged.
    """
    known, body = payload[:1], payload[1:]
    if known not in _KNOWN:
        raise ValueError(f"a user state of format {known!r} is unknown, 1 to 4 are known")
    try:
        if known == _IN_COLUMNS:
            head, columns = _inflated(body, _WINDOW_BITS, _DICTIONARY)
            return state_of(user_id, _HEADS.decode(head), columns)
        if known == _IN_ROWS:
            rows, _ = _inflated(body, _WINDOW_BITS, _DICTIONARY)
            return msgspec.structs.replace(_ROWS.decode(rows), user_id=user_id)
        if known == _OLD_DEFLATED:
            body, _ = _inflated(body, -zlib.MAX_WBITS)
        return decode_columns(user_id, body)
    except (msgspec.DecodeError, IndexError, ValueError, zlib.error) as error:
        raise ValueError(f"a damaged user state: {error}") from error


def _deflated(whole: bytes) -> bytes:
    strategy = zlib.Z_FIXED if len(whole) <= _FIXED_UP_TO_BYTES else zlib.Z_DEFAULT_STRATEGY
    deflate = zlib.compressobj(1, zlib.DEFLATED, _WINDOW_BITS, 4, strategy, _DICTIONARY)
    return deflate.compress(whole) + deflate.flush()


def _inflated(body: bytes, window_bits: int, dictionary: bytes = b"") -> tuple[bytes, bytes]:
    """Return what was deflated, and what stands behind it."""
    inflate = zlib.decompressobj(window_bits, zdict=dictionary)
    whole = inflate.decompress(body, _LARGEST_BYTES)
    if not inflate.eof:
        raise ValueError("it is cut short")
    return whole, inflate.unused_data
