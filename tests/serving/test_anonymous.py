"""A visitor without an id is recommended to by the session alone."""

from __future__ import annotations

import time

import pytest

from rillrec.client import CallFailed, Client
from schemas.events import Interaction
from schemas.model_log import Publish
from serving import scorer_pb2 as pb
from serving.store import RedisStore
from serving.tracking import logged
from tests.patience import until
from tests.serving.models import publish_to, written
from tests.serving.processes import absorb_log, scorer_at

pytestmark = pytest.mark.redis


def click(number: int, item_id: str, session_id: str) -> Interaction:
    return Interaction(
        event_id=f"e{number}",
        item_id=item_id,
        kind="click",
        time_ms=time.time_ns() // 1_000_000,
        session_id=session_id,
    )


def test_a_session_without_a_user_is_recommended_to(
    redis_store: RedisStore, redis_url: str
) -> None:
    publishes: tuple[Publish, ...] = written(8)
    publish_to(redis_store, publishes)
    with scorer_at(redis_url) as scorer, Client(f"127.0.0.1:{scorer.port}") as client:
        until(lambda: client.model_info().version == 8)
        fresh = client.recommend("", 5, session_id="s1")
        assert (fresh.known_user, len(fresh.items)) == (False, 5)
        chosen = fresh.items[0].item_id
        [receipt, _] = client.track([click(1, chosen, "s1"), click(2, "i1", "s2")])
        assert receipt.refused == ""
        absorb_log(redis_store)
        known = client.recommend("", 20, session_id="s1")
        assert known.known_user
        assert chosen not in [item.item_id for item in known.items]
        assert any("rules" in item.sources for item in known.items)
        everything = client.recommend("", 100, session_id="s2").items
        assert chosen in [item.item_id for item in everything]
        with pytest.raises(CallFailed, match="`user_id` is empty"):
            client.recommend("", 5)


def test_events_of_a_session_go_where_its_user_does() -> None:
    event = pb.Event(interaction=pb.Interaction(item_id="i", session_id="s1"))
    assert logged(event).key == "anonymous:s1"
    event.interaction.user_id = "ann"
    assert logged(event).key == "ann"
