"""Columns of integers and of ids as bytes, without what the values of a column have in common.

*Integers* are cut into planes: all lowest bytes, then all second lowest, and so on. Low planes of
differences are as good as random and are kept as they are; high ones are mostly zero, and kept as a
bitmap of the places that are not, with their bytes, or with the one byte that all of them are.

*Ids* that are numbers behind a common prefix are kept as one number of many digits, which takes 3.3
bits a digit. Others are a text.

All of this is a few calls of C for each plane: Python's own loops would cost more than deflating.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import sub

from msgspec import Struct

_DENSE, _SPARSE, _UNIFORM = 0, 1, 2
_SIGNED = 16
_MODES_AT = 5  # bit of a shape: below it stand the number of planes and the sign
_MARKS = bytes([48] + [49] * 255)  # a plane to digits of a binary number: "0" where it is zero
_MOST_DIGITS = 4_000  # Python converts up to 4,300


class Ids(Struct, frozen=True, array_like=True):
    """How a column of ids is kept: ``width`` digits each behind a prefix, or all in ``text``.

    ``padded`` ones are shorter than that: zeros before them are none of theirs.
    """

    text: str = ""
    width: int = 0
    padded: bool = False


class Writer:
    """Takes columns one by one.

    Attributes
    ----------
    shapes
        An integer for each column of integers, that tells its form.
    parts
        The bytes of all columns.
    """

    def __init__(self) -> None:
        self.shapes: list[int] = []
        self.parts: list[bytes] = []

    def integers(self, values: Sequence[int]) -> None:
        """Add a column of integers of at most 64 bits, signed ones of 63."""
        shape, most = 0, max(values, default=0)
        if values and min(values) < 0:
            values = [value << 1 ^ value >> 63 for value in values]
            shape, most = _SIGNED, max(values)
        planes = most.bit_length() + 7 >> 3
        raw, count = _little(array("Q", values)) if planes else b"", len(values)
        for number in range(planes):
            mode = self._plane(raw[number::8], count)
            shape |= mode << _MODES_AT + 2 * number
        self.shapes.append(shape | planes)

    def _plane(self, plane: bytes, count: int) -> int:
        others, marks_bytes = plane.translate(None, b"\0"), count + 7 >> 3
        if marks_bytes + 1 >= count or marks_bytes + len(others) >= count:
            self.parts.append(plane)
            return _DENSE
        uniform = bool(others) and not others.strip(others[:1])
        marks = int(plane.translate(_MARKS), 2).to_bytes(marks_bytes, "big")
        self.parts += (marks, others[:1] if uniform else others)
        return _UNIFORM if uniform else _SPARSE

    def raw(self, values: Sequence[int], width: int) -> None:
        """Add a column of integers that have nothing in common, of so many bytes each."""
        whole = _little(array("Q", values))
        self.parts += [whole[number::8] for number in range(width)]

    def ids(self, ids: Sequence[str]) -> Ids:
        """Add a column of ids, and return what is to be kept of it beside.

        Raises
        ------
        ValueError
            An id contains a line break.
        """
        text = joined(ids)
        prefix = _prefix(min(ids), max(ids)) if ids else ""
        numbers = text.replace(prefix, "") if prefix else text
        digits = numbers.replace("\n", "")
        if not (digits.isascii() and digits.isdigit()):
            return Ids(text)
        tails = numbers.split("\n")
        width = max(map(len, tails))
        padded = len(digits) < width * len(ids)
        if padded:
            digits = "".join([tail.zfill(width) for tail in tails])
        # What would not come back as it was: ids of other forms, and numbers that begin with 0.
        if len(digits) > _MOST_DIGITS or (padded and ("\n0" in numbers or numbers[0] == "0")):
            return Ids(text)
        if len(text) != len(numbers) + len(prefix) * len(ids):
            return Ids(text)
        self.parts.append(int(digits).to_bytes(_bytes_of(len(digits)), "big"))
        return Ids(prefix, width, padded)


class Reader:
    """Gives columns back in the order in which they were written.

    Its methods raise ``IndexError`` or ``ValueError`` where bytes are missing.
    """

    def __init__(self, body: bytes, shapes: Sequence[int]) -> None:
        self._body, self._at = body, 0
        self._shapes = iter(shapes)

    def integers(self, count: int) -> list[int]:
        """Return the next column, of so many integers."""
        shape = next(self._shapes, 0)
        planes = shape & _SIGNED - 1
        if not planes:
            return [0] * count
        whole = bytearray(8 * count)
        for number in range(planes):
            mode = shape >> _MODES_AT + 2 * number & 3
            whole[number::8] = self.take(count) if mode == _DENSE else self._sparse(count, mode)
        values = _integers(whole)
        return [value >> 1 ^ -(value & 1) for value in values] if shape & _SIGNED else values

    def _sparse(self, count: int, mode: int) -> bytes:
        marks = f"{int.from_bytes(self.take(count + 7 >> 3), 'big'):0{count}b}"
        others = self.take(1) * marks.count("1") if mode == _UNIFORM else b""
        following = iter(others or self.take(marks.count("1")))
        return bytes([next(following) if mark == "1" else 0 for mark in marks])

    def raw(self, count: int, width: int) -> list[int]:
        """Return the next column, of integers of so many bytes each."""
        whole = bytearray(8 * count)
        for number in range(width):
            whole[number::8] = self.take(count)
        return _integers(whole)

    def ids(self, count: int, kept: Ids) -> list[str]:
        """Return the next column of ids, from what was kept of it beside."""
        width = kept.width
        if not width:
            return parted(kept.text)
        raw = self.take(_bytes_of(width * count))
        digits = f"{int.from_bytes(raw, 'big'):0{width * count}d}"
        places, prefix = range(0, width * count, width), kept.text
        if kept.padded:
            return [prefix + digits[at : at + width].lstrip("0") for at in places]
        return [prefix + digits[at : at + width] for at in places]

    def take(self, count: int) -> bytes:
        """Return the next bytes, so many."""
        taken = self._body[self._at : self._at + count]
        if len(taken) != count:
            raise ValueError(f"{count} bytes are wanted, {len(taken)} are left")
        self._at += count
        return taken


def steps(values: Sequence[int]) -> list[int]:
    """Return by how much each value but the first differs from the one before it."""
    return list(map(sub, values[1:], values))


def from_steps(first: int, differences: Iterable[int]) -> list[int]:
    """Return the values that begin with ``first`` and differ by so much."""
    return list(accumulate(differences, initial=first))


def joined(ids: Sequence[str]) -> str:
    """Return ids as one text. Raises ``ValueError`` where one contains a line break."""
    text = "\n".join(ids)
    if ids and text.count("\n") != len(ids) - 1:
        raise ValueError(f"an id has a line break: {next(i for i in ids if chr(10) in i)[:80]!r}")
    return text


def parted(text: str) -> list[str]:
    """Return the ids that were joined to a text."""
    return text.split("\n") if text else []


def _prefix(first: str, last: str) -> str:
    """Return what all ids between two begin with, up to its last character that is no digit."""
    count = 0
    for one, other in zip(first, last, strict=False):
        if one != other:
            break
        count += 1
    return first[:count].rstrip("0123456789")


def _bytes_of(digits: int) -> int:
    """Return how many bytes hold any number of so many digits: 3.3220 bits for each, at least."""
    return (digits * 3_322 // 1_000 + 8) // 8


def _little(values: array[int]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def _integers(whole: bytearray) -> list[int]:
    values = array("Q", bytes(whole))
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()
