"""Who has no user id is known by the session: always as the same user, and as nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.decoding import decode
from schemas.errors import EventRefused
from schemas.events import ANONYMOUS, MAX_ID_BYTES, Interaction, anonymous_id

NOW_MS = 1_700_000_000_000
CLICK = {"event_id": "e", "item_id": "i", "kind": "click", "time_ms": NOW_MS}


def click(**fields: Any) -> Interaction:
    event = decode("interaction", json.dumps({**CLICK, **fields}).encode(), now_ms=NOW_MS)
    assert isinstance(event, Interaction)
    return event


def test_an_event_without_a_user_belongs_to_its_session() -> None:
    event = click(session_id="s-17")
    assert (event.user_id, event.session_id) == ("anonymous:s-17", "s-17")
    assert event == click(session_id="s-17", user_id="anonymous:s-17")


def test_an_event_with_a_user_stays_the_users() -> None:
    assert click(session_id="s-17", user_id="ann").user_id == "ann"


@pytest.mark.parametrize("session", [{}, {"session_id": None}], ids=["absent", "null"])
def test_an_event_of_nobody_is_refused(session: dict[str, Any]) -> None:
    with pytest.raises(EventRefused, match=r"missing required field `user_id` - at `\$\.user_id`"):
        click(**session)


def test_a_session_id_of_any_length_gives_an_id_that_fits() -> None:
    longest = "é" * (MAX_ID_BYTES // 2)
    assert len(anonymous_id(longest).encode()) <= MAX_ID_BYTES
    assert anonymous_id(longest) == click(session_id=longest).user_id
    assert anonymous_id(longest) != anonymous_id(longest[:-1])
    assert anonymous_id(longest).startswith(ANONYMOUS)
