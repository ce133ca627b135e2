"""``rillrec schema``: the contract of events, for producers in any language."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class EventType(StrEnum):
    """The event types, as the command line names them."""

    interaction = "interaction"
    impression = "impression"
    item = "item"
    forget = "forget"


def schema(
    event_type: Annotated[
        EventType | None, typer.Argument(help="Which event; all of them where absent.")
    ] = None,
) -> None:
    """Print the JSON Schema of the events.

    \b
    Examples:
      rillrec schema interaction > interaction.schema.json
      rillrec schema | jq 'keys'
    """
    import json

    from schemas.json_schema import schema_of

    if event_type is not None:
        typer.echo(json.dumps(schema_of(event_type), indent=2))
    else:
        typer.echo(json.dumps({name.value: schema_of(name) for name in EventType}, indent=2))
