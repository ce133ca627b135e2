"""The beginning of a file: what it is, and how its rows are to be read."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from flows.decode import Decoder
from flows.sources.columns import TIMES, columns_of, need
from flows.sources.csv_layout import CsvLayout
from flows.sources.csv_rows import CsvRows
from flows.sources.json_rows import JsonRows
from flows.sources.lines import Line, Lines
from flows.sources.times import reader_of, unit_of
from schemas.errors import SourceError

_SAMPLED = 100
_DELIMITERS = ",\t;|"
_JSON_ENDINGS = (".jsonl", ".ndjson", ".json")
_CSV_ENDINGS = (".csv", ".tsv", ".dat")


class Head(Struct, frozen=True):
    """What the beginning of a file told.

    ``topic`` names the file's contents, not its place: a file that has only grown keeps it.
    ``skipped`` lines stand before the first row. ``told`` says, for people, what means what.
    """

    topic: str
    decoder: Decoder
    skipped: int
    told: str


def read_head(path: Path, mapping: Mapping[str, str], min_value: float | None) -> Head:
    """Read the beginning of a file.

    Raises
    ------
    SourceError
        The file can't be read or is empty, or it can't be told which column means what.
    """
    lines = Lines(path).take(_SAMPLED + 1)
    if not lines:
        raise SourceError(f"{path} is empty: there is nothing to read")
    head = [line if isinstance(line, bytes) else line.head for line in lines]
    tag = blake2b(b"\n".join(head[:2]), digest_size=4).hexdigest()
    topic = f"file:{path.name[-100:]}#{tag}"
    if _is_json(path, head[0]):
        decoder, told = _json(head, mapping, min_value, tag, path)
        return Head(topic, decoder, 0, told)
    csv_decoder, told = _csv(lines[0], head[1:], mapping, min_value, tag, path)
    return Head(topic, csv_decoder, 1, told)


def _is_json(path: Path, first: bytes) -> bool:
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(_JSON_ENDINGS):
        return True
    return not name.endswith(_CSV_ENDINGS) and first.lstrip(b"\xef\xbb\xbf \t")[:1] == b"{"


def _json(
    sample: list[bytes],
    mapping: Mapping[str, str],
    min_value: float | None,
    tag: str,
    path: Path,
) -> tuple[JsonRows, str]:
    names: dict[str, None] = {}
    for line in sample:
        try:
            names.update(dict.fromkeys(msgspec.json.decode(line, type=dict[str, Any])))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue  # the decoder will say what is wrong with it
    names.pop("type", None)
    columns = columns_of([*names, *mapping.values()], mapping, where=str(path))
    if "time" in columns:
        columns["time_ms"] = columns.pop("time")
    twice = {name for name in columns.values() if list(columns.values()).count(name) > 1}
    if twice:
        raise SourceError(f"{path}: {twice.pop()!r} can't be two fields at once, in lines of JSON")
    default_kind = None if not names or "kind" in columns else _default_kind(columns)
    rows = JsonRows(columns, default_kind=default_kind, row_tag=tag, min_value=min_value)
    return rows, f"lines of JSON, {_told(columns, default_kind)}"


def _csv(
    header: Line,
    sample: list[bytes],
    mapping: Mapping[str, str],
    min_value: float | None,
    tag: str,
    path: Path,
) -> tuple[CsvRows, str]:
    names, delimiter = _names(header, path)
    columns = columns_of(names, mapping, where=str(path))
    if "user_id" not in columns and "session_id" in columns:
        columns["user_id"] = columns["session_id"]
    need(columns, names, where=str(path))
    for column in columns.values():
        if names.count(column) > 1:
            raise SourceError(f"{path} has two columns {column!r}: rename one of them")
    default_kind = None if "kind" in columns else _default_kind(columns)
    told = _told(columns, default_kind)
    unit = {"time_ms": "ms", "time_s": "s"}.get(time := next(t for t in TIMES if t in columns))
    columns["time_ms"] = columns.pop(time)
    if unit is None:
        unit = unit_of(_values(sample, names.index(columns["time_ms"]), delimiter))
        told += f"; by its values, {columns['time_ms']!r} is in {unit}"
    layout = CsvLayout(
        names=tuple(names),
        columns=columns,
        delimiter=delimiter,
        default_kind=default_kind or "click",
        row_tag=tag,
        min_value=min_value,
    )
    told = f"CSV, {told}; context: {', '.join(layout.context) or 'none'}"
    return CsvRows(layout, reader_of(unit)), told


def _names(header: Line, path: Path) -> tuple[list[str], str]:
    try:
        if not isinstance(header, bytes):
            raise ValueError(f"it has {header.size_bytes} bytes")
        text = header.decode("utf-8-sig").rstrip("\r")
        delimiter = max(_DELIMITERS, key=text.count)
        [names] = csv.reader([text], delimiter=delimiter, strict=True)
    except (ValueError, csv.Error) as error:
        raise SourceError(f"{path}: the first line is no header of CSV: {error}") from error
    return names, delimiter


def _values(sample: list[bytes], place: int, delimiter: str) -> list[str]:
    rows = [line.decode(errors="replace").split(delimiter) for line in sample]
    return [row[place].strip('"\r') for row in rows if place < len(row)]


def _default_kind(columns: Mapping[str, str]) -> str:
    return "rate" if "value" in columns else "click"


def _told(columns: Mapping[str, str], default_kind: str | None) -> str:
    told = ", ".join(f"{field}={column}" for field, column in columns.items())
    return told if default_kind is None else f"{told}, kind is always {default_kind!r}"
