"""A scorer whose broker comes late, goes, and comes back: slates go on, health tells the rest."""

from __future__ import annotations

import time
from typing import Any

import grpc
import pytest

from rillrec.broker import Broker
from serving.store import RedisStore
from tests.kafka import Kafka
from tests.patience import until
from tests.serving.foreign import ForeignClient
from tests.serving.models import publish_to, written
from tests.serving.processes import scorer_at

pytestmark = [pytest.mark.redis]

SCORER = "rillrec.v1.Scorer"
NOBODY = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def model(redis_store: RedisStore) -> None:
    publish_to(redis_store, written(6))


def health(client: ForeignClient, service: str = "") -> str:
    return str(client.call("grpc.health.v1.Health/Check", {"service": service})["status"])


def click(number: int = 0, **fields: Any) -> dict[str, Any]:
    event = {
        "event_id": f"e{number}",
        "user_id": "ann",
        "item_id": "i1",
        "kind": "click",
        "time_ms": time.time_ns() // 1_000_000,
        **fields,
    }
    return {"interaction": event}


def track(client: ForeignClient, *events: dict[str, Any], timeout_s: float = 60.0) -> Any:
    return client.call(f"{SCORER}/Track", {"events": list(events)}, timeout_s=timeout_s)["tracked"]


def failure(client: ForeignClient, *events: dict[str, Any]) -> Any:
    """Return why a call fails; where that comes too late to be heard, it is given more time."""
    for timeout_s in (1.0, 5.0, 20.0):
        with pytest.raises(grpc.RpcError) as failed:
            track(client, *events, timeout_s=timeout_s)
        if failed.value.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            break
    return failed.value


def slate(client: ForeignClient) -> Any:
    return client.call(f"{SCORER}/Recommend", {"user_id": "ann", "k": 5})


@pytest.mark.slow
def test_slates_go_on_without_the_broker_and_events_are_taken_when_it_is_back(
    redis_url: str, own_broker: Broker
) -> None:
    topics = Kafka(own_broker.address).topics()
    own_broker.kill()
    settings = {"brokers": own_broker.address, "delivery_timeout_s": 100, **topics}
    with (
        scorer_at(redis_url, kafka=settings, log_impressions=True) as scorer,
        ForeignClient(scorer.port) as client,
    ):
        until(lambda: health(client) == "SERVING")
        for _ in range(2):
            assert health(client, "events") == "NOT_SERVING"
            failed = failure(client, click())
            assert failed.code() is grpc.StatusCode.UNAVAILABLE
            assert f"Kafka at {own_broker.address} does not answer" in failed.details()
            assert "it may be stored all the same: send it again" in failed.details()
            assert slate(client)["degraded"] == []
            own_broker.start()
            until(lambda: health(client, "events") == "SERVING")
            assert track(client, click(), timeout_s=60.0)
            own_broker.kill()
            until(lambda: health(client, "events") == "NOT_SERVING")
            assert health(client) == health(client, "model") == "SERVING"


def test_events_that_find_no_room_or_are_too_large_are_told_apart(redis_url: str) -> None:
    properties = {"queue.buffering.max.messages": 3, "message.max.bytes": 10_000}
    settings = {"brokers": NOBODY, "properties": properties}
    with scorer_at(redis_url, kafka=settings) as scorer, ForeignClient(scorer.port) as client:
        large = failure(client, click(), click(context={"k": "v" * 10_000}))
        assert large.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "`events[1]` takes 10,1" in large.details()
        assert "Kafka is sent 10,000 at most" in large.details()
        full = failure(client, *[click(n) for n in range(4)])
        assert full.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "3 events wait for Kafka" in full.details()


def test_secrets_are_in_no_answer(redis_url: str) -> None:
    properties = {"sasl.username": "ann", "sasl.password": "hunter2"}
    settings = {"brokers": NOBODY, "properties": properties}
    with scorer_at(redis_url, kafka=settings) as scorer, ForeignClient(scorer.port) as client:
        info = client.call(f"{SCORER}/GetModelInfo")
        assert (info["name"], info["serves"]) == ("test", "test")
        assert "hunter2" not in f"{info} {failure(client, click()).details()}"
