"""The contract of events as JSON Schema, for producers in any language."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from schemas.decoding import EARLIEST_MS, MAX_EVENT_BYTES
from schemas.events import EVENT_TYPES, Interaction

DIALECT = "https://json-schema.org/draft/2020-12/schema"
COMMENT = (
    "Beyond what JSON Schema can say: ids have at most 256 bytes of UTF-8, `time_ms` is at most "
    f"one day ahead of the clock, numbers are finite, integers are written without a fraction "
    f"and fit 64 bits, and an event has at most {MAX_EVENT_BYTES} bytes."
)
_NO_CONTROL_CHARACTERS = {"not": {"pattern": "[\\u0000-\\u001f\\u007f-\\u009f]"}}

Schema = dict[str, Any]


def schema_of(event_type: str) -> Schema:
    """Return the JSON Schema of one event type, as a JSON-compatible mapping.

    Parameters
    ----------
    event_type
        ``interaction``, ``impression``, ``item`` or ``forget``.

    Raises
    ------
    KeyError
        There is no such event type.

    Examples
    --------
    >>> schema_of("forget")["required"]
    ['user_id']
    >>> sorted(schema_of("forget")["properties"])
    ['time_ms', 'user_id']
    """
    kind = EVENT_TYPES[event_type]
    (_,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    for part in parts.values():
        _tighten(part)
    schema = {"$schema": DIALECT, "$comment": COMMENT, **parts.pop(kind.__name__)}
    schema["description"] = inspect.cleandoc(kind.__doc__ or "")
    if kind is Interaction:
        _name_somebody(schema)
    if parts:
        schema["$defs"] = parts
    return schema


def _name_somebody(schema: Schema) -> None:
    """Require a user or, of those who have no id, a session."""
    del schema["properties"]["user_id"]["default"]
    session = {"required": ["session_id"], "properties": {"session_id": {"type": "string"}}}
    schema["anyOf"] = [{"required": ["user_id"]}, session]


def _tighten(part: Schema) -> None:
    """Add the rules that ``__post_init__`` and ``decode`` check, where JSON Schema can say them."""
    for name, field in part["properties"].items():
        for option in field.get("anyOf", [field]):
            if name.endswith("_id") and option["type"] == "string":
                option |= _NO_CONTROL_CHARACTERS
            if name == "time_ms" and option["type"] == "integer":
                option["minimum"] = EARLIEST_MS
