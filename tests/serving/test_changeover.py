"""A name that is moved to another model is served from it, without a request that fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpc import aio

from schemas.keys import shard_of
from schemas.model_log import Publish
from schemas.positions import Position
from schemas.user_state import StreamRules
from serving import scorer_pb2 as pb
from serving.scorer_pb2_grpc import ScorerStub
from serving.server import ScorerServer
from serving.store import RedisStore, ShardWrite
from serving.store.alias import Alias
from serving.store.wire import Wire
from tests.patience import soon
from tests.serving.models import publish_to, written
from tests.serving.states import user

pytestmark = pytest.mark.redis


class Models:
    """Models in one Redis, and the name that stands for one of them."""

    def __init__(self, url: str) -> None:
        self._url, self._wire = url, Wire(url, timeout_s=5.0)
        self._alias = Alias(self._wire, "shop")
        self._stores: list[RedisStore] = []

    def store(self, name: str) -> RedisStore:
        self._stores.append(RedisStore(self._url, name=name))
        return self._stores[-1]

    def publish(self, name: str, publishes: tuple[Publish, ...]) -> RedisStore:
        store = self.store(name)
        publish_to(store, publishes)
        return store

    def move(self, name: str) -> None:
        self._alias.move(name)

    def close(self) -> None:
        self._wire.close()
        for store in self._stores:
            store.close()


@pytest.fixture
def models(redis_url: str) -> Iterator[Models]:
    made = Models(redis_url)
    yield made
    made.close()


@asynccontextmanager
async def scorer_at(url: str) -> AsyncIterator[tuple[ScorerServer, Any]]:
    server = ScorerServer(url, name="shop", rules=StreamRules(repeats="exclude"), port=0)
    await server.start()
    try:
        async with aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield server, ScorerStub(channel)
    finally:
        await server.stop()


def slate(stub: Any, user_id: str = "ann", **fields: Any) -> Any:
    return stub.Recommend(pb.RecommendRequest(user_id=user_id, k=5, **fields), timeout=100)


def followers() -> int:
    return sum(thread.name == "follower" for thread in threading.enumerate())


@pytest.mark.slow
async def test_replies_come_from_the_other_model_without_one_that_fails(
    redis_url: str, models: Models
) -> None:
    models.publish("shop", written(8))
    other = models.publish("shop-2", written(5, seed=1))
    other.write_shards([ShardWrite(shard_of("ann"), {"ann": user("ann")}, {"t": {0: 1}})])
    async with scorer_at(redis_url) as (server, stub):
        await soon(lambda: server.health.components[""])
        ended = asyncio.Event()
        seen: list[list[Any]] = [[] for _ in range(6)]

        async def load(replies: list[Any]) -> None:
            while not ended.is_set():
                replies.append(await slate(stub))
                await asyncio.sleep(0.01)  # the other model is loaded beside it

        loads = [asyncio.create_task(load(replies)) for replies in seen]
        await soon(lambda: all(len(replies) > 3 for replies in seen))
        models.move("shop-2")
        await soon(lambda: server.served.model.name == "shop-2")
        await soon(lambda: followers() == 1)  # the former model is closed meanwhile
        turned = [len(replies) for replies in seen]
        await soon(lambda: all(len(seen[n]) > many + 3 for n, many in enumerate(turned)))
        ended.set()
        await asyncio.gather(*loads)
        for replies in seen:
            versions = [reply.model_version for reply in replies]
            assert versions == [8] * versions.count(8) + [5] * versions.count(5)
            assert {8, 5} == set(versions)
            assert all(len(reply.items) == 5 and not reply.degraded for reply in replies)
            assert [reply.known_user for reply in replies] == [version == 5 for version in versions]
        info = await stub.GetModelInfo(pb.GetModelInfoRequest())
        assert (info.name, info.serves, info.model_version) == ("shop", "shop-2", 5)


async def test_events_go_to_the_log_of_the_model_that_is_served(
    redis_url: str, models: Models
) -> None:
    models.publish("shop", written(8))
    other = models.publish("shop-2", written(5))
    async with scorer_at(redis_url) as (server, stub):
        await stub.Track(pb.TrackRequest(events=[pb.Event()]), timeout=60)
        models.move("shop-2")
        await soon(lambda: server.served.model.name == "shop-2")
        reply = await stub.Track(pb.TrackRequest(events=[pb.Event()]), timeout=60)
        position = Position.of_token(reply.tracked[0].position)
    assert [event[0] for event in other.read_events(0, count=9)] == [position.offset]


async def test_request_that_waits_for_an_event_finds_it_in_the_other_model(
    redis_url: str, models: Models
) -> None:
    models.publish("shop", written(8))
    other = models.publish("shop-2", written(5))
    async with scorer_at(redis_url) as (server, stub):
        await soon(lambda: server.health.components[""])
        waits = slate(stub, after=Position("clicks", 3, 41).token())
        await asyncio.sleep(0.1)
        models.move("shop-2")
        await soon(lambda: server.served.model.name == "shop-2")
        marks = {"clicks": {3: 42}}
        other.write_shards([ShardWrite(shard_of("ann"), {"ann": user("ann")}, marks)])
        reply = await waits
        assert reply.known_user
        assert Position("clicks", 3, 42) in [
            Position(one.topic, one.partition, one.offset) for one in reply.user_positions
        ]


async def test_model_that_is_yet_to_come_takes_over_when_it_is_there(
    redis_url: str, models: Models, caplog: pytest.LogCaptureFixture
) -> None:
    models.publish("shop", written(8))
    models.move("shop-2")
    async with scorer_at(redis_url) as (server, stub):
        await soon(lambda: server.health.components[""])
        assert (await slate(stub)).model_version == 8
        assert (await stub.GetModelInfo(pb.GetModelInfoRequest())).serves == "shop"
        models.move("shop-3")  # on second thoughts
        await soon(lambda: "stands for the model 'shop-3': loading it" in caplog.text)
        models.publish("shop-2", written(3))
        models.publish("shop-3", written(4))
        await soon(lambda: server.served.model.name == "shop-3")
        assert (await slate(stub)).model_version == 4
        models.move("shop")
        await soon(lambda: server.served.model.name == "shop")
    for name in ("shop-2", "shop-3", "shop"):
        assert f"'shop' stands for the model {name!r}: loading it" in caplog.text


async def test_scorer_is_not_ready_until_it_serves_what_the_name_stands_for(
    redis_url: str, models: Models
) -> None:
    models.publish("shop", written(8))
    models.publish("shop-2", written(5))
    models.move("shop-2")
    async with scorer_at(redis_url) as (server, stub):
        await soon(lambda: server.health.components[""])
        assert (await slate(stub)).model_version == 5


async def test_name_that_can_not_be_looked_at_leaves_all_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scorer_at("redis://127.0.0.1:1") as (server, stub):
        await soon(lambda: "which model 'shop' stands for can't be read" in caplog.text)
        assert (await slate(stub)).degraded[-1] == "no_model"
        assert not server.served.settled
