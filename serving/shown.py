"""A slate that was served, as the impression event that it becomes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson
from msgspec import Struct

from online_models.recommender import Slate, SlateItem
from schemas.examples import Query
from serving.event_log import Entry

VARIANT = "default"
_NONE = orjson.Fragment(b"[]")


class Shown(Struct, frozen=True):
    """A slate with items, and what it was an answer to."""

    request_id: str
    user_id: str
    time_ms: int
    slate: Slate
    model_version: int


def shown(request_id: str, query: Query, slate: Slate, model_version: int) -> Shown:
    """Return what is to be remembered of an answer until its impression is sent."""
    assert query.time_ms is not None, "a request has a time"
    return Shown(request_id, query.user_id, query.time_ms, slate, model_version)


def impression(served: Shown) -> Entry:
    """Return the event, as ``schemas.events.Impression`` has it.

    Features are written with as many digits as tell a float32 from its neighbours, so the learner
    reads to the bit what the ranker saw. An item whose features are no finite numbers has none; a
    score that is none is written as 0.
    """
    items = served.slate.items
    rows = _features(served.slate)
    fields = {
        "request_id": served.request_id,
        "user_id": served.user_id,
        "time_ms": served.time_ms,
        "model_version": served.model_version,
        "variant": VARIANT,
        "items": [_item(place, item, rows[place]) for place, item in enumerate(items)],
    }
    payload = orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY)
    return Entry("impression", payload, served.user_id)


def _item(place: int, item: SlateItem, features: orjson.Fragment) -> dict[str, Any]:
    return {
        "item_id": item.item_id,
        "position": place,
        "score": np.float32(item.score) if math.isfinite(item.score) else 0.0,
        "propensity": item.propensity,
        "sources": item.sources,
        "features": features,
    }


def _features(slate: Slate) -> list[orjson.Fragment]:
    """Return each item's features as JSON.

    The whole table is written at once, and cut at the brackets between its rows: a row at a time
    takes twice as long.
    """
    if not slate.features:
        return [_NONE] * len(slate.items)
    table = np.frombuffer(slate.features, dtype="<f4").astype(np.float32, copy=False)
    table = table.reshape(len(slate.items), -1)
    text = orjson.dumps(table, option=orjson.OPT_SERIALIZE_NUMPY)
    finite = np.isfinite(table.sum(axis=1, dtype=np.float64))  # no sum of float32 overflows there
    return [
        orjson.Fragment(b"[" + row + b"]") if finite[place] else _NONE
        for place, row in enumerate(text[2:-2].split(b"],["))
    ]
