"""Streams in which users are shown slates, and answer some of them."""

from __future__ import annotations

import json
import random
from typing import Any

from online_models.feature_names import prior
from tests.builders import SMALL
from tests.flows.streams import payload

WIDTH = len(prior(SMALL))


def slate(
    request_id: str, user_id: str, time_ms: int, items: list[str], *, width: int = WIDTH
) -> dict[str, Any]:
    """Return an impression as its producer writes it."""
    shown = [
        {
            "item_id": item,
            "position": place,
            "score": -place,
            "propensity": 1 / (1 + place),
            "features": [place + n / 10 for n in range(width)],
        }
        for place, item in enumerate(items)
    ]
    return {"request_id": request_id, "user_id": user_id, "time_ms": time_ms, "items": shown}


def with_slates(events: list[tuple[str, bytes]], *, seed: int = 0) -> list[tuple[str, bytes]]:
    """Return a stream in which some interactions answer slates, and some name none that comes.

    A slate comes shortly before its interaction or behind it; some come twice, or unanswered.
    Nobody is forgotten, as that takes along what is not published yet.
    """
    dice = random.Random(seed)
    made: list[tuple[str, bytes]] = []
    behind: list[tuple[str, bytes]] = []
    for n, (event_type, body) in enumerate(events):
        if event_type == "forget":
            continue
        fields = _interaction(event_type, body)
        if fields is None or dice.random() < 0.4:
            made.append((event_type, body))
            continue
        request = f"r{n}"
        items = [fields["item_id"], *[f"i{m}" for m in dice.sample(range(40, 60), 4)]]
        dice.shuffle(items)
        time_ms = fields["time_ms"] - dice.choice((1_000, 60_000, 3_000_000))
        width = WIDTH if dice.random() < 0.9 else 0
        shown = (
            "impression",
            payload(slate(request, fields["user_id"], time_ms, items, width=width)),
        )
        what = dice.random()
        if what < 0.5:
            made.append(shown)
        elif what < 0.8:
            behind.append(shown)
        if dice.random() < 0.7:
            fields["request_id"] = request
        if dice.random() < 0.1:
            fields["item_id"] = "elsewhere"
        made.append((event_type, payload(fields)))
        if dice.random() < 0.1:
            made.append(shown)
        if dice.random() < 0.3:
            made += behind
            behind.clear()
    return made + behind


def _interaction(event_type: str, body: bytes) -> dict[str, Any] | None:
    if event_type != "interaction":
        return None
    try:
        fields: dict[str, Any] = json.loads(body)
    except ValueError:
        return None
    return fields
