"""Values of Redis, to and from our types."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.errors import StoreError
from schemas.model_log import Progress, Publish, decode_publish
from schemas.positions import Marks, Position
from schemas.slates import Slates
from schemas.slates_codec import decode_slates
from schemas.user_codec import decode_user
from schemas.user_state import UserState
from serving.store.protocol import EVENTS_TOPIC
from serving.store.records import Audited, DeadLetter, Erasure
from serving.store.wire import Command

_SEQUENCE_BITS = 20
_MARKS = msgspec.msgpack.Decoder(Marks)
_LOW = msgspec.msgpack.Decoder(tuple[int, Marks])
_PLACE = msgspec.msgpack.Decoder(tuple[str, int, int])
encode = msgspec.msgpack.Encoder().encode


def user_of(user_id: str, payload: bytes | None) -> UserState | None:
    """Return a stored state. Raises ``StoreError`` where it is damaged."""
    if payload is None:
        return None
    try:
        return decode_user(user_id, payload)
    except ValueError as error:
        raise StoreError(f"the state of user {user_id[:64]!r} can't be read: {error}") from error


def slates_of(user_id: str, payload: bytes | None) -> Slates | None:
    """Return stored slates. Raises ``StoreError`` where they are damaged."""
    if payload is None:
        return None
    try:
        return decode_slates(user_id, payload)
    except ValueError as error:
        raise StoreError(f"the slates of user {user_id[:64]!r} can't be read: {error}") from error


def marks_of(payload: bytes | None) -> Marks:
    """Return stored marks, empty where there are none."""
    if payload is None:
        return {}
    try:
        return _MARKS.decode(payload)
    except msgspec.DecodeError as error:
        raise StoreError(f"the marks of a shard can't be read: {error}") from error


def marks_bytes(marks: Marks) -> bytes:
    """Return marks as bytes, the same for equal marks: the store compares them."""
    return encode(_in_order(marks))


def low_bytes(progress: Progress) -> bytes:
    """Return a version and its marks as bytes, the same for equal ones."""
    return encode((progress.version, _in_order(progress.marks)))


def _in_order(marks: Marks) -> Marks:
    return {topic: dict(sorted(marks[topic].items())) for topic in sorted(marks) if marks[topic]}


def low_of(payload: bytes | None) -> tuple[int, Marks]:
    """Return the newest version, and the low-water marks that were stored with it."""
    if payload is None:
        return 0, {}
    try:
        return _LOW.decode(payload)
    except msgspec.DecodeError as error:
        raise StoreError(f"the low-water marks can't be read: {error}") from error


def held_of(flat: Sequence[bytes]) -> dict[str, Marks]:
    """Return what shards were known to hold, from a reply of shards and marks in turn."""
    return {
        shard.decode(): marks_of(marks) for shard, marks in zip(flat[::2], flat[1::2], strict=True)
    }


def publish_of(payload: bytes, where: str) -> Publish:
    """Return a stored publish. Raises ``StoreError`` where it is damaged."""
    try:
        return decode_publish(payload)
    except msgspec.DecodeError as error:
        raise StoreError(
            f"{where} of the model can't be read: {error}; was it written by another version of "
            "Rillrec? Replay the source into a model of another name"
        ) from error


def offset_of(stream_id: bytes) -> int:
    """Return the offset of a stream id: its milliseconds, then 20 bits of its sequence.

    So a million events fit into one millisecond, which is what one clock tick ever holds.
    """
    ms, _, sequence = stream_id.partition(b"-")
    return (int(ms) << _SEQUENCE_BITS) + int(sequence)


def stream_id_of(offset: int) -> str:
    """Return the stream id of an offset."""
    return f"{offset >> _SEQUENCE_BITS}-{offset & ((1 << _SEQUENCE_BITS) - 1)}"


def position_of(stream_id: bytes) -> Position:
    """Return the position of an event in the embedded log."""
    return Position(EVENTS_TOPIC, 0, offset_of(stream_id))


def flattened(events: Sequence[tuple[str, bytes]]) -> list[str | bytes]:
    """Return the arguments by which a script takes events: type, payload, type, payload, …"""
    return [part for event in events for part in event]


def dead_values(letter: DeadLetter) -> Command:
    """Return a dead letter as the values of a stream entry."""
    place = encode((letter.topic, letter.partition, letter.offset))
    return (
        place, letter.event_type, letter.reason, letter.message, letter.payload, letter.user_id
    )  # fmt: skip


def dead_letter_of(fields: list[bytes]) -> DeadLetter:
    """Return the dead letter that a stream entry holds."""
    place, event_type, reason, message, payload, *user_id = fields[1::2]
    topic, partition, offset = _PLACE.decode(place)
    return DeadLetter(
        topic,
        partition,
        offset,
        event_type.decode(),
        reason.decode(),
        message.decode(),
        payload,
        user_id[0].decode() if user_id else "",
    )


def erasure_values(erasure: Erasure) -> Command:
    """Return an erasure as the values of a stream entry, readable to who looks at it by hand."""
    return (
        erasure.digest.hex(), erasure.until_ms, erasure.topic, erasure.partition, erasure.offset
    )  # fmt: skip


def audited_of(shard: str, stream_id: bytes, fields: list[bytes]) -> Audited:
    """Return what a stream entry of the audit holds."""
    digest, until_ms, topic, partition, offset = [value.decode() for value in fields[1::2]]
    erasure = Erasure(bytes.fromhex(digest), int(until_ms), topic, int(partition), int(offset))
    return Audited(shard, int(stream_id.partition(b"-")[0]), erasure)
