"""Events as the messages of ``scorer.proto``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.events import Impression, Interaction, ItemUpdate, Scalar
from serving import scorer_pb2 as pb


def event_to_wire(event: Interaction | Impression | ItemUpdate) -> pb.Event:
    """Return an event as Track takes it. Values of maps become text, as the wire has no others."""
    fields = {name: value for name, value in _set_fields(event).items() if value is not None}
    match event:
        case Interaction():
            fields["context"] = _texts(event.context)
            return pb.Event(interaction=pb.Interaction(**fields))
        case Impression():
            fields["items"] = [pb.ShownItem(**_set_fields(item)) for item in event.items]
            return pb.Event(impression=pb.Impression(**fields))
        case ItemUpdate():
            fields["attributes"] = _texts(event.attributes)
            return pb.Event(item=pb.ItemUpdate(**fields))


def _set_fields(struct: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(struct)


def _texts(values: Mapping[str, Scalar]) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in values.items()
    }
