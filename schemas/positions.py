"""Where in a source an event stands, and up to where something has absorbed a source."""

from __future__ import annotations

import base64
import binascii

import msgspec

Marks = dict[str, dict[int, int]]
"""topic → partition → the first offset that is *not* absorbed yet; everything below it is."""


class Position(msgspec.Struct, frozen=True, order=True, array_like=True):
    """One event's place: topic, partition and offset. Offsets grow, but may have gaps."""

    topic: str
    partition: int
    offset: int

    def token(self) -> str:
        """Return the position as an opaque, printable token."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")

    @staticmethod
    def of_token(token: str) -> Position:
        """Return the position that a token stands for.

        Raises
        ------
        ValueError
            The token was not made by ``token()``.
        """
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            return msgspec.msgpack.decode(raw, type=Position)
        except (binascii.Error, msgspec.DecodeError, ValueError) as error:
            raise ValueError(f"{token[:80]!r} is not a position token of Track: {error}") from None


def mark_of(marks: Marks, topic: str, partition: int) -> int:
    """Return the first offset that is not absorbed yet, 0 where nothing is."""
    return marks.get(topic, {}).get(partition, 0)


def advance(marks: Marks, topic: str, partition: int, until: int) -> None:
    """Raise a mark in place; it never falls."""
    partitions = marks.setdefault(topic, {})
    partitions[partition] = max(until, partitions.get(partition, 0))


def lower(one: Marks, other: Marks) -> Marks:
    """Return, for every source that both know, the lower mark: below it both have all."""
    return {
        topic: {p: min(until, other[topic][p]) for p, until in parts.items() if p in other[topic]}
        for topic, parts in one.items()
        if topic in other
    }


def higher(one: Marks, other: Marks) -> Marks:
    """Return, for every source that either knows, the higher mark.

    Examples
    --------
    >>> higher({"events": {0: 3}}, {"events": {0: 2, 1: 5}})
    {'events': {0: 3, 1: 5}}
    """
    marks = {topic: dict(parts) for topic, parts in one.items()}
    for topic, parts in other.items():
        for partition, until in parts.items():
            advance(marks, topic, partition, until)
    return marks
