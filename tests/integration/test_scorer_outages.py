"""What a scorer does when Redis comes late, goes, and comes back; and how its health tells it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.store import RedisStore
from serving.store.embedded import EmbeddedRedis
from tests.patience import PATIENCE_S, until
from tests.serving.foreign import ForeignClient
from tests.serving.models import publish_to, written
from tests.serving.processes import absorb_log, scorer_at

pytestmark = pytest.mark.redis

SCORER = "rillrec.v1.Scorer"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path)
    yield server
    server.stop()


def fill(redis: EmbeddedRedis) -> RedisStore:
    store = RedisStore(redis.url, name="test")
    publish_to(store, written(6))
    return store


def health(client: ForeignClient, service: str = "") -> str:
    return str(client.call("grpc.health.v1.Health/Check", {"service": service})["status"])


def serves(client: ForeignClient, service: str) -> bool:
    return health(client, service) == "SERVING"


def slate(client: ForeignClient, user_id: str = "ann", **fields: Any) -> dict[str, Any]:
    return client.call(f"{SCORER}/Recommend", {"user_id": user_id, "k": 5, **fields})


def click(number: int) -> dict[str, Any]:
    return {
        "interaction": {
            "event_id": f"e{number}",
            "user_id": "ann",
            "item_id": f"i{number % 40}",
            "kind": "click",
            "time_ms": time.time_ns() // 1_000_000,
        }
    }


def kill(redis: EmbeddedRedis) -> None:
    assert redis.pid
    os.kill(redis.pid, signal.SIGKILL)
    redis.stop()


def test_scorer_that_starts_before_redis_is_not_ready_until_it_is_level(
    redis: EmbeddedRedis,
) -> None:
    with scorer_at(redis.url) as scorer, ForeignClient(scorer.port) as client:
        for service in ("", SCORER, "model", "store", "events"):
            assert health(client, service) == "NOT_SERVING"
        reply = slate(client)
        assert reply["items"] == []
        assert reply["degraded"] == ["no_user_state", "no_model"]
        redis.start()
        fill(redis).close()
        until(lambda: health(client) == "SERVING")
        for service in (SCORER, "model", "store", "events"):
            until(partial(serves, client, service))
        until(lambda: slate(client)["degraded"] == [])
        assert len(slate(client)["items"]) == 5


def test_scorer_of_a_model_that_is_yet_to_come_takes_events(redis: EmbeddedRedis) -> None:
    redis.start()
    with scorer_at(redis.url) as scorer, ForeignClient(scorer.port) as client:
        until(lambda: health(client) == "SERVING")
        assert health(client, "model") == "NOT_SERVING"
        assert client.call(f"{SCORER}/Track", {"events": [click(1)]})["tracked"]
        reply = slate(client)
        assert (reply["items"], reply["degraded"]) == ([], ["no_model"])
        fill(redis).close()
        until(lambda: health(client, "model") == "SERVING")
        assert slate(client)["degraded"] == []


def test_slates_go_on_without_redis_and_users_are_known_again_when_it_is_back(
    redis: EmbeddedRedis,
) -> None:
    redis.start()
    store = fill(redis)
    with scorer_at(redis.url) as scorer, ForeignClient(scorer.port) as client:
        until(lambda: health(client) == "SERVING")
        [tracked] = client.call(f"{SCORER}/Track", {"events": [click(1)]})["tracked"]
        absorb_log(store)
        assert slate(client)["known_user"]
        kill(redis)
        reply = slate(client, after=tracked["position"])
        assert reply["degraded"] == ["no_user_state"]
        assert len(reply["items"]) == 5
        assert (reply["known_user"], reply["user_positions"]) == (False, [])
        with pytest.raises(grpc.RpcError) as refused:
            client.call(f"{SCORER}/Track", {"events": [click(2)]})
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "redis.sock does not answer" in refused.value.details()
        until(lambda: health(client, "store") == health(client, "events") == "NOT_SERVING")
        assert health(client) == "SERVING"
        until(lambda: slate(client)["degraded"] == ["no_user_state", "stale_model"])
        until(lambda: health(client, "model") == "NOT_SERVING")
        redis.start()
        until(lambda: slate(client)["degraded"] == [])
        assert slate(client)["known_user"]
        assert client.call(f"{SCORER}/Track", {"events": [click(2)]})["tracked"]
        until(lambda: health(client, "store") == health(client, "model") == "SERVING")
    store.close()


def test_no_slate_fails_while_redis_is_killed_again_and_again(redis: EmbeddedRedis) -> None:
    redis.start()
    store = fill(redis)
    failures: list[BaseException] = []
    kinds: set[tuple[str, ...]] = set()
    done = threading.Event()

    def load(client: ForeignClient) -> None:
        number = 0
        while not done.is_set():
            number += 1
            try:
                reply = slate(client, f"u{number % 50}")
                kinds.add(tuple(reply["degraded"]))
                assert len(reply["items"]) == 5
            except (grpc.RpcError, AssertionError) as error:
                failures.append(error)
            try:
                client.call(f"{SCORER}/Track", {"events": [click(number)]})
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    failures.append(error)

    with scorer_at(redis.url) as scorer, ForeignClient(scorer.port) as client:
        until(lambda: health(client) == "SERVING")
        threads = [threading.Thread(target=load, args=(client,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(4):
            kinds.clear()
            until(lambda: () in kinds or failures)
            kill(redis)
            until(lambda: ("no_user_state",) in kinds or failures)
            redis.start()
        done.set()
        for thread in threads:
            thread.join()
        assert failures == []
        until(lambda: slate(client)["degraded"] == [])
    store.close()


def test_redis_that_is_silent_holds_no_slate_up_for_long(redis: EmbeddedRedis) -> None:
    redis.start()
    store = fill(redis)
    with scorer_at(redis.url) as scorer, ForeignClient(scorer.port) as client:
        until(lambda: health(client) == "SERVING")
        assert redis.pid
        os.kill(redis.pid, signal.SIGSTOP)
        try:
            waits_s = []
            for _ in range(100):
                started_s = time.monotonic()
                assert slate(client)["degraded"][0] == "no_user_state"
                waits_s.append(time.monotonic() - started_s)
                time.sleep(0.02)
        finally:
            os.kill(redis.pid, signal.SIGCONT)
        assert sum(waits_s) < 50.0  # a second each, if every one of them waited
        assert sorted(waits_s)[50] < 0.5
        until(lambda: slate(client)["degraded"] == [])
    store.close()


def test_whoever_watches_health_learns_of_the_end_before_it_comes(redis: EmbeddedRedis) -> None:
    redis.start()
    fill(redis).close()
    with scorer_at(redis.url) as scorer, ForeignClient(scorer.port) as client:
        watch = health_pb2_grpc.HealthStub(client.channel).Watch(
            health_pb2.HealthCheckRequest(service=""), timeout=PATIENCE_S
        )
        seen = []
        for update in watch:
            seen.append(update.status)
            if update.status == health_pb2.HealthCheckResponse.SERVING:
                scorer.process.terminate()
            elif len(seen) > 1:
                break
        watch.cancel()
        assert seen[-2:] == [
            health_pb2.HealthCheckResponse.SERVING,
            health_pb2.HealthCheckResponse.NOT_SERVING,
        ]
        assert scorer.process.wait(60) == 0
