"""Lines of JSON as events. Field names may be mapped; values are never converted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, get_type_hints

import msgspec

from flows.batches import Happening, Record, Refused
from schemas.decoding import check_time, decode, user_of, with_path
from schemas.errors import EventRefused
from schemas.events import Interaction

_BOM = b"\xef\xbb\xbf"
_HINTS = get_type_hints(Interaction, include_extras=True)
_OPTIONAL = ("session_id", "request_id", "position", "value")


class _Typed(msgspec.Struct):
    type: str = "interaction"


class JsonRows:
    """Decodes lines: interactions, or what their ``type`` says (impression, item, forget).

    Parameters
    ----------
    columns
        Field of an interaction to the name that it has in this file. ``time_s`` in place of
        ``time_ms`` is a time in seconds.
    default_kind
        Of interactions without one; ``None`` refuses them.
    row_tag
        Makes the ids of interactions without an event id this file's own: ``row-17@TAG``.
    min_value
        Interactions with a lower value are filtered out.
    """

    def __init__(
        self,
        columns: dict[str, str],
        *,
        default_kind: str | None = None,
        row_tag: str = "",
        min_value: float | None = None,
    ) -> None:
        self._row_tag = row_tag
        self._least = -math.inf if min_value is None else min_value
        self._in_seconds = "time_s" in columns
        self._rows = msgspec.json.Decoder(_row_type(columns, default_kind))
        self._typed = msgspec.json.Decoder(_Typed)
        value = [("value", float | None, None)]
        self._values: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct("Value", value, rename={"value": columns.get("value", "value")})
        )

    def __call__(self, records: Sequence[Record], *, now_ms: int) -> tuple[list[Happening], int]:
        happenings: list[Happening] = []
        filtered = 0
        for offset, refusal, line in records:
            if isinstance(refusal, Refused):
                happenings.append((offset, refusal, line))
                continue
            payload = line if offset else line.removeprefix(_BOM)
            kind = "interaction"
            try:
                if b'"type"' in payload:
                    kind = _read(self._typed.decode, payload).type
                if kind != "interaction":
                    happenings.append((offset, decode(kind, payload, now_ms=now_ms), line))
                    continue
                if not payload.strip():
                    continue
                if self._is_filtered(payload):
                    filtered += 1
                    continue
                row = _read(self._rows.decode, payload)
                happenings.append((offset, self._interaction(row, offset, now_ms), line))
            except EventRefused as error:
                refused = Refused(error.reason, error.message, kind[:64], user_of(payload))
                happenings.append((offset, refused, line))
        return happenings, filtered

    def _is_filtered(self, payload: bytes) -> bool:
        """Return whether the value is too low, whatever else may be wrong with the row."""
        if self._least == -math.inf:
            return False
        try:
            value = self._values.decode(payload).value
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False  # the row is refused for that
        return value is not None and value < self._least

    def _interaction(self, row: Any, offset: int, now_ms: int) -> Interaction:
        time_ms = _to_ms(row.time_s) if self._in_seconds else row.time_ms
        check_time(time_ms, now_ms=now_ms)
        try:
            return Interaction(
                event_id=row.event_id or f"row-{offset}@{self._row_tag}",
                user_id=row.user_id,
                item_id=row.item_id,
                kind=row.kind,
                time_ms=time_ms,
                session_id=row.session_id,
                request_id=row.request_id,
                position=row.position,
                value=row.value,
                context=row.context,
            )
        except ValueError as error:
            raise EventRefused("field", with_path(str(error))) from None


def _to_ms(time_s: float) -> int:
    """Return milliseconds; seconds beyond 2**53 as that many: a thousand times may be infinite."""
    return round(max(-(2.0**53), min(time_s, 2.0**53)) * 1_000)


def _row_type(columns: dict[str, str], default_kind: str | None) -> type[msgspec.Struct]:
    """Return the type of an interaction whose fields have this file's names."""
    time = "time_s" if "time_s" in columns else "time_ms"
    fields: list[Any] = [
        ("user_id", _HINTS["user_id"], ""),
        ("item_id", _HINTS["item_id"]),
        (time, float if time == "time_s" else _HINTS["time_ms"]),
        ("kind", _HINTS["kind"], msgspec.NODEFAULT if default_kind is None else default_kind),
        ("event_id", _HINTS["event_id"] | None, None),
        *[(name, _HINTS[name], None) for name in _OPTIONAL],
        ("context", _HINTS["context"], msgspec.field(default_factory=dict)),
    ]
    # A name that was mapped to one field is no longer that of another.
    taken = set(columns.values()) - set(columns)
    rename = {**columns, **{name: f"{name}, unmapped" for name in taken}}
    return msgspec.defstruct("Row", fields, rename=rename, kw_only=True)


def _read(read: Callable[[bytes], Any], payload: bytes) -> Any:
    try:
        return read(payload)
    except msgspec.ValidationError as error:
        raise EventRefused("field", with_path(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventRefused("malformed", f"not valid JSON: {error}") from None
