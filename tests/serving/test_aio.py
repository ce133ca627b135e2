"""The asyncio side of a store agrees with the other, and fails as it does."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest

from schemas.errors import StoreError, StoreUnavailable
from schemas.keys import shard_of
from serving.store import RedisStore, ShardWrite
from serving.store.aio import AsyncRedisStore
from serving.store.embedded import EmbeddedRedis
from serving.store.wire import Wire
from tests.serving.states import user

pytestmark = pytest.mark.redis


@pytest.fixture
async def aio_store(redis_url: str) -> AsyncIterator[AsyncRedisStore]:
    store = AsyncRedisStore(redis_url, name="test", timeout_s=10.0)
    yield store
    await store.close()


async def test_user_is_read_as_the_flow_wrote_it(
    aio_store: AsyncRedisStore, redis_store: RedisStore
) -> None:
    marks = {"events": {0: 9}}
    assert await aio_store.read_user("ann") == (None, {})
    redis_store.write_shards([ShardWrite(shard_of("ann"), {"ann": user("ann")}, marks)])
    assert await aio_store.read_user("ann") == (user("ann"), marks)


async def test_events_are_read_as_they_were_appended(
    aio_store: AsyncRedisStore, redis_store: RedisStore
) -> None:
    events = [("item", b"{}"), ("", b"\x00\xff")]
    positions = await aio_store.append_events(events)
    assert redis_store.read_events(0, count=9) == [
        (position.offset, *event) for position, event in zip(positions, events, strict=True)
    ]
    assert await aio_store.append_events([]) == []


async def test_many_at_once_get_their_own_answers(
    aio_store: AsyncRedisStore, redis_store: RedisStore
) -> None:
    names = [f"u{n}" for n in range(300)]
    redis_store.write_shards([ShardWrite(shard_of(name), {name: user(name)}, {}) for name in names])
    found = await asyncio.gather(*[aio_store.read_user(name) for name in names])
    assert [state for state, _ in found] == [user(name) for name in names]


async def test_lost_connection_is_found_again(own_redis: EmbeddedRedis) -> None:
    store = AsyncRedisStore(own_redis.url, name="test")
    await store.append_events([("item", b"{}")])
    own_redis.stop()
    with pytest.raises(StoreUnavailable, match="is it running"):
        await store.read_user("ann")
    with pytest.raises(StoreUnavailable, match="is it running"):
        await store.append_events([("item", b"{}")])
    own_redis.start()
    assert await store.read_user("ann") == (None, {})
    await store.close()


async def test_silent_redis_counts_as_lost(own_redis: EmbeddedRedis) -> None:
    store = AsyncRedisStore(own_redis.url, name="test", timeout_s=2.0)
    await store.read_user("ann")
    assert own_redis.pid
    os.kill(own_redis.pid, signal.SIGSTOP)
    started_s = time.monotonic()
    try:
        with pytest.raises(StoreUnavailable):
            await store.read_user("ann")
    finally:
        os.kill(own_redis.pid, signal.SIGCONT)
    assert time.monotonic() - started_s < 30.0
    assert await store.read_user("ann") == (None, {})
    await store.close()


async def test_call_that_is_given_up_spoils_no_later_one(
    aio_store: AsyncRedisStore, redis_store: RedisStore
) -> None:
    redis_store.write_shards([ShardWrite(shard_of("ann"), {"ann": user("ann")}, {})])
    for pause_s in (0.0, 0.0001, 0.0003, 0.001):
        calls = [asyncio.create_task(aio_store.read_user("bob")) for _ in range(20)]
        await asyncio.sleep(pause_s)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert (await aio_store.read_user("ann"))[0] == user("ann")


async def test_refusals_and_damage_are_store_errors(own_redis: EmbeddedRedis) -> None:
    store, wire = AsyncRedisStore(own_redis.url, name="test"), Wire(own_redis.url, timeout_s=5.0)
    wire.call("SET", store.keys.user("ann"), b"\x07junk")
    with pytest.raises(StoreError, match="state of user 'ann' can't be read"):
        await store.read_user("ann")
    wire.call("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(StoreError, match="maxmemory") as full:
        await store.append_events([("item", b"{}")])
    assert not isinstance(full.value, StoreUnavailable)
    wire.close()
    await store.close()
