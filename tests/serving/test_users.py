"""A store that is away costs a request no more than a moment, and is found again."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from schemas.errors import NotYetAbsorbed
from schemas.keys import shard_of
from schemas.positions import Position
from serving.store import RedisStore, ShardWrite
from serving.store.aio import AsyncRedisStore
from serving.store.embedded import EmbeddedRedis
from serving.store.wire import Wire
from serving.users import Known, Users
from tests.patience import PATIENCE_S
from tests.serving.states import user

pytestmark = pytest.mark.redis

MARKS = {"events": {0: 10}}
NOBODY = Known(None, {}, reachable=False)


def write(server: EmbeddedRedis) -> None:
    store = RedisStore(server.url, name="test")
    store.write_shards([ShardWrite(shard_of("ann"), {"ann": user("ann")}, MARKS)])
    store.close()


async def read_as(users: Users, known: Known) -> None:
    """Return once a user is read so, however long the store is looked for."""
    async with asyncio.timeout(PATIENCE_S):
        while await users.read("ann", after=None, patience_s=0.0) != known:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_event_below_the_low_mark_is_absorbed_whatever_its_shard(
    own_redis: EmbeddedRedis,
) -> None:
    write(own_redis)
    store = AsyncRedisStore(own_redis.url, name="test")
    users = Users(store, low_marks=lambda: {"events": {0: 20}})
    known = await users.read("ann", after=Position("events", 0, 19), patience_s=0.0)
    assert known == Known(user("ann"), {"events": {0: 20}})
    with pytest.raises(NotYetAbsorbed):
        await users.read("ann", after=Position("events", 0, 20), patience_s=0.0)
    await store.close()


async def test_user_is_known_with_marks(own_redis: EmbeddedRedis) -> None:
    write(own_redis)
    store = AsyncRedisStore(own_redis.url, name="test")
    waits: list[tuple[float, bool]] = []
    users = Users(store, on_wait=lambda seconds, absorbed: waits.append((seconds, absorbed)))
    assert await users.read("ann", after=None, patience_s=0.0) == Known(user("ann"), MARKS)
    assert waits == []
    held = Position("events", 0, 9)
    assert await users.read("ann", after=held, patience_s=0.0) == Known(user("ann"), MARKS)
    with pytest.raises(NotYetAbsorbed):
        await users.read("ann", after=Position("events", 0, 10), patience_s=0.02)
    assert [absorbed for _, absorbed in waits] == [True, False]
    await store.close()


async def test_user_of_a_store_that_is_away_is_nobody_until_it_is_back(
    own_redis: EmbeddedRedis,
) -> None:
    write(own_redis)
    store = AsyncRedisStore(own_redis.url, name="test")
    users = Users(store, rest_s=0.2)
    own_redis.stop()
    assert await users.read("ann", after=None, patience_s=0.0) == NOBODY
    assert await users.read("ann", after=Position("events", 0, 99), patience_s=9.0) == NOBODY
    own_redis.start()
    assert await users.read("ann", after=None, patience_s=0.0) == NOBODY
    await read_as(users, Known(user("ann"), MARKS))
    await users.close()
    await store.close()


async def test_silent_store_holds_up_the_first_request_alone(own_redis: EmbeddedRedis) -> None:
    store = AsyncRedisStore(own_redis.url, name="test", timeout_s=1.0)
    users = Users(store, rest_s=0.05)
    await users.read("ann", after=None, patience_s=0.0)
    assert own_redis.pid
    os.kill(own_redis.pid, signal.SIGSTOP)
    try:
        assert await users.read("ann", after=None, patience_s=0.0) == NOBODY
        for _ in range(100):
            answer = users.read("ann", after=None, patience_s=0.0)
            with pytest.raises(StopIteration) as at_once:
                answer.send(None)  # it waits for nothing
            assert at_once.value.value == NOBODY
            await asyncio.sleep(0.001)  # the search goes on
    finally:
        os.kill(own_redis.pid, signal.SIGCONT)
    await users.close()
    await store.close()


async def test_user_is_known_though_the_process_stood_still_for_longer_than_the_store_may(
    own_redis: EmbeddedRedis,
) -> None:
    write(own_redis)
    store = AsyncRedisStore(own_redis.url, name="test", timeout_s=1.0)
    users = Users(store)
    await read_as(users, Known(user("ann"), MARKS))
    assert own_redis.pid
    os.kill(own_redis.pid, signal.SIGSTOP)
    reading = asyncio.create_task(users.read("ann", after=None, patience_s=0.0))
    await asyncio.sleep(0.05)
    os.kill(own_redis.pid, signal.SIGCONT)
    time.sleep(1.5)  # noqa: ASYNC251  # the machine is not ours alone
    assert await reading == Known(user("ann"), MARKS)
    await users.close()
    await store.close()


async def test_store_that_answers_with_a_refusal_is_asked_again(own_redis: EmbeddedRedis) -> None:
    store, wire = AsyncRedisStore(own_redis.url, name="test"), Wire(own_redis.url, timeout_s=5.0)
    users = Users(store, rest_s=0.05)
    own_redis.stop()
    assert await users.read("ann", after=None, patience_s=0.0) == NOBODY
    own_redis.start()
    wire.call("CONFIG", "SET", "requirepass", "secret")
    await asyncio.sleep(0.3)
    assert await users.read("ann", after=None, patience_s=0.0) == NOBODY
    await users.close()
    wire.close()
    await store.close()


async def test_damaged_user_is_nobody_and_others_are_read_on(own_redis: EmbeddedRedis) -> None:
    write(own_redis)
    store, wire = AsyncRedisStore(own_redis.url, name="test"), Wire(own_redis.url, timeout_s=5.0)
    wire.call("SET", store.keys.user("bob"), b"junk")
    users = Users(store)
    assert await users.read("bob", after=None, patience_s=0.0) == NOBODY
    assert await users.read("ann", after=None, patience_s=0.0) == Known(user("ann"), MARKS)
    wire.close()
    await store.close()
