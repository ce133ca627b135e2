"""How the rows of one CSV file are to be read."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from schemas.errors import EventRefused

MOST_CONTEXT = 64
LONGEST_NAME = 64
LONGEST_ID = 256
LONGEST_KIND = 64
LONGEST_SCALAR = 1_024
_LONGEST = {
    "event_id": LONGEST_ID,
    "user_id": LONGEST_ID,
    "item_id": LONGEST_ID,
    "session_id": LONGEST_ID,
    "request_id": LONGEST_ID,
    "kind": LONGEST_KIND,
}


class CsvLayout(Struct, frozen=True, kw_only=True):
    """The columns of a file, and what is said of its rows.

    Parameters
    ----------
    names
        The header.
    columns
        Field to column; ``time_ms`` is whatever column holds the time.
    default_kind
        Of rows without one.
    row_tag
        Makes the ids of rows without an event id this file's own: ``row-17@TAG``.
    min_value
        Rows with a lower value are filtered out.
    """

    names: tuple[str, ...]
    columns: dict[str, str]
    delimiter: str = ","
    default_kind: str = "click"
    row_tag: str = ""
    min_value: float | None = None

    @property
    def context(self) -> tuple[str, ...]:
        """The columns that are no field: at most 64, of at most 64 characters."""
        taken = set(self.columns.values())
        free = [name for name in self.names if name not in taken and 0 < len(name) <= LONGEST_NAME]
        return tuple(free[:MOST_CONTEXT])

    def check_lengths(self, fields: Sequence[str]) -> None:
        """Raise ``EventRefused`` where a text is empty, or longer than its field may be."""
        field_of = {column: field for field, column in self.columns.items()}
        session = self.columns.get("session_id")
        anonymous = session is not None and bool(fields[self.names.index(session)])
        for name, text in zip(self.names, fields, strict=True):
            field = field_of.get(name, "context")
            if not text and (field == "item_id" or (field == "user_id" and not anonymous)):
                raise EventRefused("field", f"column {name!r} ({field}) is empty")
            most = _LONGEST.get(field, LONGEST_SCALAR)
            if len(text) > most:
                raise EventRefused(
                    "field",
                    f"column {name!r} ({field}) has {len(text)} characters, at most {most} fit",
                )
