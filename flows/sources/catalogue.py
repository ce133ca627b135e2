"""A file of items: lines of JSON, as ``ItemUpdate`` has its fields, or CSV with a header."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from flows.sources.lines import Line, Lines
from flows.sources.times import reader_of, unit_of
from schemas.decoding import with_path
from schemas.errors import SourceError
from schemas.events import ItemUpdate

CALLED = {
    "item": "item_id",
    "id": "item_id",
    "sku": "item_id",
    "name": "title",
    "category": "categories",
    "genre": "categories",
    "genres": "categories",
    "seller": "seller_id",
    "created": "created_ms",
}
"""What columns of CSV may be called besides the fields' own names."""
_LISTS = ("categories", "regions", "blocked_regions")
_FIELDS = frozenset(ItemUpdate.__struct_fields__) - {"attributes"}
_MOST = 10_000
_DECODER = msgspec.json.Decoder(ItemUpdate)


def read_catalogue(path: Path) -> list[ItemUpdate]:
    """Return the words of a file on items, in order.

    Of CSV, columns that are no field become attributes, empty cells nothing; several categories
    stand in one cell with ``|`` between. ``created`` may be seconds, milliseconds or ISO dates.

    Raises
    ------
    SourceError
        The file can't be read, or a line is no item: the first such line is named.
    """
    lines = list(_lines(path))
    if not lines:
        raise SourceError(f"{path} is empty: there are no items to read")
    if lines[0].lstrip(b"\xef\xbb\xbf \t")[:1] == b"{":
        return [_json(path, n, line) for n, line in enumerate(lines, 1) if line.strip()]
    return list(_csv(path, [line.decode("utf-8-sig", errors="replace") for line in lines]))


def _lines(path: Path) -> Iterator[bytes]:
    reader, number = Lines(path), 0
    while taken := reader.take(_MOST):
        for line in taken:
            number += 1
            yield _whole(path, number, line)


def _whole(path: Path, number: int, line: Line) -> bytes:
    if not isinstance(line, bytes):
        raise SourceError(f"{path}, line {number:,}: {line.size_bytes:,} bytes are too many")
    return line


def _json(path: Path, number: int, line: bytes) -> ItemUpdate:
    try:
        return _DECODER.decode(line.lstrip(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"{path}, line {number:,}: {with_path(str(error))}") from error


def _csv(path: Path, lines: list[str]) -> Iterator[ItemUpdate]:
    delimiter = max(",\t;", key=lines[0].count)
    rows = csv.reader(lines, delimiter=delimiter)
    names = [CALLED.get(name.strip().lower(), name.strip()) for name in next(rows)]
    if names.count("item_id") != 1:
        raise SourceError(
            f"{path}: {names.count('item_id')} columns of {', '.join(names)} say which item a row "
            "is of: call one of them item_id"
        )
    cells = list(rows)
    to_ms = _times(names, cells)
    for number, row in enumerate(cells, 2):
        if any(row):
            try:
                yield _item(names, row, to_ms)
            except ValueError as error:  # also msgspec's
                raise SourceError(f"{path}, line {number:,}: {with_path(str(error))}") from error


def _times(names: list[str], rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return what reads the times of each column that holds any, by the unit it seems to have."""
    found = {}
    for place, name in enumerate(names):
        if name in ("created_ms", "time_ms"):
            sample = [row[place] for row in rows[:1_000] if place < len(row)]
            found[name] = reader_of(unit_of(sample))
    return found


def _item(names: list[str], row: list[str], to_ms: dict[str, Any]) -> ItemUpdate:
    if len(row) != len(names):
        raise ValueError(f"the row has {len(row)} columns, the header {len(names)}")
    fields: dict[str, Any] = {"attributes": {}}
    for name, text in zip(names, row, strict=True):
        if not text:
            continue
        if name in to_ms:
            fields[name] = to_ms[name](text)
        elif name in _LISTS:
            fields[name] = [part for part in text.split("|") if part]
        elif name in _FIELDS:
            fields[name] = text
        else:
            fields["attributes"][name] = text
    return msgspec.convert(fields, ItemUpdate, strict=False)
