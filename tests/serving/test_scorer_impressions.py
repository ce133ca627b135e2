"""What was shown becomes an event, in Redis or in Kafka, once the reply is out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from online_models.feature_names import CONTENT, OTHERS
from rillrec.client import Client
from schemas.decoding import decode
from schemas.events import Impression, Interaction
from schemas.keys import shard_of
from schemas.positions import Position
from serving.store import RedisStore, ShardWrite
from tests.kafka import Kafka
from tests.patience import until
from tests.serving.models import publish_to, written
from tests.serving.processes import scorer_at
from tests.serving.states import START_MS, user

pytestmark = pytest.mark.redis


@pytest.fixture
def store(redis_store: RedisStore) -> RedisStore:
    """A store with a model, and a user who is known to it."""
    publish_to(redis_store, written(8))
    marks = {"events": {0: 10}}
    redis_store.write_shards([ShardWrite(shard_of("ann"), {"ann": user("ann")}, marks)])
    return redis_store


def impressions_of(store: RedisStore) -> list[Impression]:
    events = store.read_events(0, count=1_000)
    return [read(payload) for _, kind, payload in events if kind == "impression"]


def read(payload: bytes | None) -> Impression:
    event = decode("impression", payload or b"", now_ms=time.time_ns() // 1_000_000)
    assert isinstance(event, Impression)
    return event


def come(found: Callable[[], list[Any]], count: int) -> list[Any]:
    """Return what is found once there is so much of it."""
    until(lambda: len(found()) >= count)
    return found()


def test_slates_are_logged_as_they_were_served(store: RedisStore, redis_url: str) -> None:
    with (
        scorer_at(redis_url, log_impressions=True) as scorer,
        Client(f"127.0.0.1:{scorer.port}") as client,
    ):
        until(lambda: client.model_info().version == 8)
        asked_ms = START_MS + 60_000  # while her session is open
        known = client.recommend("ann", 7, time_ms=asked_ms)
        stranger = client.recommend("bob", 3)
        first, second = come(lambda: impressions_of(store), 2)
    assert (first.request_id, first.user_id, first.time_ms) == (known.request_id, "ann", asked_ms)
    assert (first.model_version, first.variant) == (8, "default")
    for shown, event in ((known, first), (stranger, second)):
        assert [(i.item_id, i.sources) for i in shown.items] == [
            (i.item_id, i.sources) for i in event.items
        ]
        assert [i.score for i in event.items] == pytest.approx([i.score for i in shown.items])
        assert [i.position for i in event.items] == list(range(len(shown.items)))
        assert all(item.propensity == 1.0 for item in event.items)
    assert {len(item.features) for item in first.items} == {2 * 4 + 2 + len(OTHERS) + len(CONTENT)}
    assert {len(item.features) for item in second.items} == {0}  # what trends is not ranked
    assert second.request_id == stranger.request_id


def test_what_is_explored_is_logged_with_its_propensity(store: RedisStore, redis_url: str) -> None:
    with (
        scorer_at(redis_url, log_impressions=True) as scorer,
        Client(f"127.0.0.1:{scorer.port}") as client,
    ):
        until(lambda: client.model_info().version == 8)
        slate = client.recommend("ann", 10, rules={"explore_every": 5})
        [event] = come(lambda: impressions_of(store), 1)
    assert [place for place, item in enumerate(slate.items) if "explore" in item.rules] == [4, 9]
    propensities = [item.propensity for item in event.items]
    assert [place for place, chance in enumerate(propensities) if chance < 1] == [4, 9]


def test_slates_are_not_logged_where_that_is_off(store: RedisStore, redis_url: str) -> None:
    with scorer_at(redis_url) as scorer, Client(f"127.0.0.1:{scorer.port}") as client:
        until(lambda: bool(client.recommend("ann", 5).items))
        time.sleep(0.3)
    assert impressions_of(store) == []


def test_what_was_served_last_is_sent_before_the_end(store: RedisStore, redis_url: str) -> None:
    with (
        scorer_at(redis_url, log_impressions=True) as scorer,
        Client(f"127.0.0.1:{scorer.port}") as client,
    ):
        until(lambda: client.model_info().version == 8)
        for number in range(30):
            client.recommend(f"u{number}", 3)
        scorer.process.terminate()
        scorer.process.wait(60)
    assert {event.user_id for event in impressions_of(store)} == {f"u{n}" for n in range(30)}


def test_impressions_and_events_of_kafka_lead_back_to_the_slate(
    store: RedisStore, redis_url: str, kafka: Kafka
) -> None:
    topics = kafka.topics(partitions=2)
    settings = {"brokers": kafka.brokers, **topics}
    with (
        scorer_at(redis_url, kafka=settings, log_impressions=True) as scorer,
        Client(f"127.0.0.1:{scorer.port}") as client,
    ):
        until(lambda: client.model_info().version == 8)
        slate = client.recommend("ann", 5)
        click = Interaction(
            event_id="e1",
            user_id="ann",
            item_id=slate.items[2].item_id,
            kind="click",
            time_ms=time.time_ns() // 1_000_000,
            request_id=slate.request_id,
            position=2,
        )
        [receipt] = client.track([click])
        wish = Position.of_token(client.forget("bob"))
        [message] = come(lambda: list(kafka.consume(topics["impressions_topic"])), 1)
        event = read(message.value())
        assert message.key() == b"ann"
        assert event.request_id == slate.request_id
        assert [i.item_id for i in event.items] == [i.item_id for i in slate.items]
        position = Position.of_token(receipt.position)
        [message] = kafka.consume(topics["interactions_topic"])
        assert (message.topic(), message.partition(), message.offset()) == (
            position.topic,
            position.partition,
            position.offset,
        )
        sent = decode("interaction", message.value() or b"", now_ms=click.time_ms)
        assert sent == click
        assert wish.topic == topics["forget_topic"]
        marks = {"events": {0: 10}, position.topic: {position.partition: position.offset + 1}}
        store.write_shards([ShardWrite(shard_of("ann"), {"ann": user("ann")}, marks)])
        after = client.recommend("ann", 5, after=receipt.position)
        assert after.user_positions[position.topic] == marks[position.topic]
        assert after.model_positions
