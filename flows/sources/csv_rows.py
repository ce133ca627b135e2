"""Rows of CSV as interactions. One line is one row; ids are the texts as they are written."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from operator import itemgetter

from flows.batches import Happening, Record, Refused
from flows.sources.csv_layout import LONGEST_ID, LONGEST_KIND, CsvLayout
from flows.sources.times import ToMs
from schemas.decoding import check_time
from schemas.errors import EventRefused
from schemas.events import Interaction, Scalar

_SHORT_BYTES = 256  # a line that is no longer has no text that is too long, but its kind
_HEAD_BYTES = 65_536
_MOST_PLACE = 2**31


class CsvRows:
    """Decodes rows.

    Parameters
    ----------
    to_ms
        Reads the time.
    """

    def __init__(self, layout: CsvLayout, to_ms: ToMs) -> None:
        self._layout, self._to_ms = layout, to_ms
        self._least = -math.inf if layout.min_value is None else layout.min_value
        place = {name: layout.names.index(name) for name in layout.names}
        at = {field: place[column] for field, column in layout.columns.items()}
        self._user, self._item, self._time = at["user_id"], at["item_id"], at["time_ms"]
        self._kind, self._session = at.get("kind"), at.get("session_id")
        self._event_id, self._request = at.get("event_id"), at.get("request_id")
        self._position, self._value = at.get("position"), at.get("value")
        self._context_names = layout.context
        places = [place[name] for name in self._context_names]
        # itemgetter returns a tuple only for two and more: the first one twice does no harm.
        self._context = itemgetter(*places, places[0]) if places else None

    def __call__(self, records: Sequence[Record], *, now_ms: int) -> tuple[list[Happening], int]:
        happenings: list[Happening] = []
        filtered = 0
        for offset, refusal, line in records:
            if isinstance(refusal, Refused):
                happenings.append((offset, refusal, line))
                continue
            try:
                fields = self._fields(line)
                if fields is None:
                    continue
                value = self._value_of(fields)
                if value is not None and value < self._least:
                    filtered += 1
                    continue
                event = self._interaction(fields, line, offset, value, now_ms)
            except EventRefused as error:
                refused = Refused(error.reason, error.message, "interaction", self._whose(line))
                happenings.append((offset, refused, line))
            else:
                happenings.append((offset, event, line))
        return happenings, filtered

    def _fields(self, line: bytes) -> list[str] | None:
        """Return the columns of a row, ``None`` for a blank line."""
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise EventRefused("malformed", f"not UTF-8: {error}") from None
        text = text.removesuffix("\r")
        fields = text.split(self._layout.delimiter) if '"' not in text else self._quoted(text)
        if len(fields) != len(self._layout.names):
            if not text.strip():
                return None
            raise EventRefused(
                "malformed",
                f"the row has {len(fields)} columns, the header {len(self._layout.names)}",
            )
        if "\0" in text:
            raise EventRefused("malformed", f"a NUL byte at character {text.index(chr(0)) + 1}")
        return fields

    def _quoted(self, text: str) -> list[str]:
        try:
            [fields] = csv.reader([text], delimiter=self._layout.delimiter, strict=True)
        except (csv.Error, ValueError) as error:
            raise EventRefused("malformed", f"not valid CSV: {error}") from None
        return fields

    def _interaction(
        self, fields: list[str], line: bytes, offset: int, value: float | None, now_ms: int
    ) -> Interaction:
        user_id, item_id = fields[self._user], fields[self._item]
        kind = fields[self._kind] if self._kind is not None else ""
        session_id = fields[self._session] if self._session is not None else ""
        event_id = fields[self._event_id] if self._event_id is not None else ""
        request_id = fields[self._request] if self._request is not None else ""
        somebody = user_id or session_id
        if not somebody or not item_id or len(line) > _SHORT_BYTES or len(kind) > LONGEST_KIND:
            self._layout.check_lengths(fields)
        time_ms = self._time_of(fields)
        check_time(time_ms, now_ms=now_ms)
        try:
            return Interaction(
                event_id=event_id or f"row-{offset}@{self._layout.row_tag}",
                user_id=user_id,
                item_id=item_id,
                kind=kind or self._layout.default_kind,
                time_ms=time_ms,
                session_id=session_id or None,
                request_id=request_id or None,
                position=self._position_of(fields),
                value=value,
                context=self._context_of(fields),
            )
        except ValueError as error:
            raise EventRefused("field", str(error)) from None

    def _context_of(self, fields: list[str]) -> dict[str, Scalar]:
        if self._context is None:
            return {}
        values = self._context(fields)
        context: dict[str, Scalar] = dict(zip(self._context_names, values, strict=False))
        return {name: text for name, text in context.items() if text} if "" in values else context

    def _time_of(self, fields: list[str]) -> int:
        text = fields[self._time]
        try:
            return self._to_ms(text)
        except (ValueError, OverflowError):
            raise EventRefused(
                "field", f"column {self._named('time_ms')} is no time: {text[:64]!r}"
            ) from None

    def _value_of(self, fields: list[str]) -> float | None:
        if self._value is None or not (text := fields[self._value]):
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise EventRefused(
                "field", f"column {self._named('value')} is no number: {text[:64]!r}"
            )
        return value

    def _position_of(self, fields: list[str]) -> int | None:
        if self._position is None or not (text := fields[self._position]):
            return None
        if text.isdecimal() and (position := int(text[:64])) < _MOST_PLACE:
            return position
        raise EventRefused(
            "field", f"column {self._named('position')} is no place from 0: {text[:64]!r}"
        )

    def _named(self, field: str) -> str:
        return repr(self._layout.columns[field])

    def _whose(self, line: bytes) -> str:
        """Return the user that a refused row seems to be of, or ``""``."""
        text = line[:_HEAD_BYTES].decode(errors="replace")
        fields = text.split(self._layout.delimiter)
        user_id = fields[self._user] if self._user < len(fields) else ""
        return user_id if len(user_id) <= LONGEST_ID else ""
