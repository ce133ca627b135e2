"""A followed model stays fresh, whole, and there, whatever the store does."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import pytest

from schemas.examples import Query
from schemas.model_log import Publish, Put
from serving.follow import Follower
from serving.replica import Replica
from serving.store import MemoryStore, RedisStore
from serving.store.embedded import EmbeddedRedis
from serving.store.wire import Wire
from tests.builders import SMALL, contents
from tests.patience import soon
from tests.serving.models import base_of, model_at, publish_to, put, store_of, written


def follower_of(store: MemoryStore | RedisStore, **options: object) -> Follower:
    replica = Replica(store, serve_only=False, config=SMALL)
    return Follower(replica, block_ms=50, **options)  # type: ignore[arg-type]


async def test_follower_of_nothing_is_level_but_has_no_model() -> None:
    follower = follower_of(MemoryStore())
    assert (follower.caught_up, follower.reachable, follower.usable) == (False, False, False)
    follower.start()
    await soon(lambda: follower.caught_up)
    assert (follower.reachable, follower.usable, follower.stale) == (True, False, False)
    await follower.stop()


async def test_what_is_published_arrives_within_moments() -> None:
    publishes = written(5)
    store = store_of(publishes[:2])
    follower = follower_of(store)
    follower.start()
    await soon(lambda: follower.caught_up)
    assert follower.replica.version == 2
    for publish in publishes[2:]:
        started_s = time.monotonic()
        store.append(publish)
        await soon(lambda: follower.replica.version == publish.progress.version)  # noqa: B023
        assert time.monotonic() - started_s < 20.0
    assert contents(follower.replica.state) == contents(model_at(publishes))
    assert follower.recommender.state is follower.replica.state
    assert follower.age_s < 60.0
    await follower.stop()


async def test_models_change_on_the_loop_alone_and_between_requests() -> None:
    publishes = written(8)
    store = store_of(publishes[:1])
    seen: set[int] = set()
    follower = follower_of(store, on_apply=lambda *_: seen.add(threading.get_ident()))
    follower.start()
    await soon(lambda: follower.caught_up)
    for publish in publishes[1:]:
        store.append(publish)
        version = follower.replica.version
        time.sleep(0.02)  # noqa: ASYNC251  # a request that computes holds the loop
        assert follower.replica.version == version
        await asyncio.sleep(0)
    await soon(lambda: follower.replica.version == 8)
    assert seen == {threading.get_ident()}
    await follower.stop()


async def test_state_loaded_anew_replaces_the_old_one_and_is_counted() -> None:
    publishes = written(6)
    store = store_of(publishes[:2])
    reloads: list[bool] = []
    follower = follower_of(store, on_apply=lambda _seconds, reloaded: reloads.append(reloaded))
    follower.start()
    await soon(lambda: follower.caught_up)
    before = follower.recommender
    put(store, base_of(publishes))
    await soon(lambda: follower.replica.version == 6)
    assert follower.recommender is not before
    assert follower.recommender.state is follower.replica.state
    assert reloads.count(True) == 1
    await follower.stop()


async def test_entry_that_fits_nothing_ends_no_thread_and_a_base_heals_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    publishes = written(4)
    bad = Publish(publishes[2].progress, (Put("no.such.table", b"", b""),))
    store = store_of(publishes[:2])
    store.put_base(base_of(publishes[:2]))
    store.append(bad)
    follower = follower_of(store)
    follower.start()
    await soon(lambda: "no.such.table" in caplog.text)
    store.put_base(base_of(publishes[:3]))
    store.append(publishes[3])
    await soon(lambda: follower.replica.version == 4)
    assert follower.usable
    assert contents(follower.replica.state) == contents(model_at(publishes))
    await follower.stop()


async def test_update_that_breaks_the_served_state_makes_it_unusable_until_a_base(
    caplog: pytest.LogCaptureFixture,
) -> None:
    publishes = written(4)
    bad = Publish(publishes[2].progress, (*publishes[2].entries, Put("no.such.table", b"", b"")))
    store = store_of(publishes[:2])
    follower = follower_of(store)
    follower.start()
    await soon(lambda: follower.usable)
    store.append(bad)
    await soon(lambda: not follower.usable)
    store.put_base(base_of(publishes[:3]))
    await soon(lambda: follower.usable)
    assert follower.replica.version == 3
    assert "can't be kept fresh" in caplog.text
    await follower.stop()


@pytest.mark.redis
async def test_outage_of_redis_is_survived_and_missed_publishes_are_made_up_for(
    own_redis: EmbeddedRedis,
) -> None:
    publishes = written(6)
    store = RedisStore(own_redis.url, name="test")
    publish_to(store, publishes[:3])
    follower = follower_of(store, stale_after_s=0.3)
    follower.start()
    await soon(lambda: follower.caught_up)
    assert own_redis.pid
    os.kill(own_redis.pid, signal.SIGKILL)
    await soon(lambda: not follower.reachable)
    await soon(lambda: follower.stale)
    assert follower.usable
    assert follower.recommender.recommend(Query(user_id="", unit_key=""), 5).items
    own_redis.stop()
    own_redis.start()
    publish_to(store, publishes[3:])
    await soon(lambda: follower.replica.version == 6)
    await soon(lambda: follower.reachable and not follower.stale)
    assert contents(follower.replica.state) == contents(model_at(publishes))
    await follower.stop()
    store.close()


@pytest.mark.redis
async def test_redis_that_comes_back_with_another_history_is_followed(
    own_redis: EmbeddedRedis,
) -> None:
    store, wire = RedisStore(own_redis.url, name="test"), Wire(own_redis.url, timeout_s=5.0)
    publish_to(store, written(4, seed=1))
    follower = follower_of(store)
    follower.start()
    await soon(lambda: follower.caught_up)
    wire.call("FLUSHALL")
    publish_to(store, written(3, seed=2))
    await soon(lambda: follower.replica.version == 3)
    assert contents(follower.replica.state) == contents(model_at(written(3, seed=2)))
    await follower.stop()
    wire.close()
    store.close()


@pytest.mark.redis
async def test_redis_that_lost_everything_leaves_the_model_in_place(
    own_redis: EmbeddedRedis, caplog: pytest.LogCaptureFixture
) -> None:
    store, wire = RedisStore(own_redis.url, name="test"), Wire(own_redis.url, timeout_s=5.0)
    publish_to(store, written(4))
    follower = follower_of(store)
    follower.start()
    await soon(lambda: follower.caught_up)
    wire.call("FLUSHALL")
    await soon(lambda: "holds no model any more" in caplog.text)
    assert follower.usable
    assert follower.replica.version == 4
    await follower.stop()
    wire.close()
    store.close()


async def test_fault_that_nobody_foresaw_is_logged_with_its_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    store.append(Publish(written(1)[0].progress, 3))  # type: ignore[arg-type]
    follower = follower_of(store)
    follower.start()
    await soon(lambda: "for a reason that nobody foresaw" in caplog.text)
    assert "Traceback" in caplog.text
    assert not follower.caught_up
    await follower.stop()


def test_loop_that_ends_without_a_word_ends_the_thread() -> None:
    follower = follower_of(MemoryStore())

    async def begin() -> None:
        follower.start()
        await soon(lambda: follower.caught_up)

    asyncio.run(begin())
    assert follower._thread is not None
    follower._thread.join(60.0)
    assert not follower._thread.is_alive()
