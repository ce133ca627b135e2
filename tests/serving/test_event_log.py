"""The embedded event log takes what it is given, and of what is unasked only so much."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from schemas.errors import StoreUnavailable
from serving import event_log
from serving.event_log import Entry, RedisLog
from serving.store import RedisStore
from serving.store.aio import AsyncRedisStore

pytestmark = pytest.mark.redis

Appended = list[bool]


@pytest.fixture
def appended() -> Appended:
    return []


@pytest.fixture
async def log(redis_url: str, appended: Appended) -> AsyncIterator[RedisLog]:
    store = AsyncRedisStore(redis_url, name="test")
    made = RedisLog(store, on_append=lambda _seconds, stored: appended.append(stored))
    yield made
    await made.close()


async def test_events_are_in_the_log_at_the_positions_that_it_tells(
    log: RedisLog, redis_store: RedisStore, appended: Appended
) -> None:
    entries = [Entry("interaction", b"{}", "ann"), Entry("unknown", b"[]")]
    positions = await log.append(entries)
    assert redis_store.read_events(0, count=9) == [
        (positions[0].offset, "interaction", b"{}"),
        (positions[1].offset, "unknown", b"[]"),
    ]
    assert await log.append([]) == []
    assert appended == [True, True]
    assert log.unacknowledged == 0


async def test_log_that_nobody_reads_has_no_room_for_what_can_be_missed(
    log: RedisLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "MOST_BACKLOG", 3)
    monkeypatch.setattr(event_log, "ROOM_LASTS_S", 0.0)
    assert await log.has_room()
    await log.append([Entry("item", b"{}")] * 3)
    assert not await log.has_room()
    monkeypatch.setattr(event_log, "ROOM_LASTS_S", 60.0)
    assert not await log.has_room()  # as it was told a moment ago
    assert len(await log.append([Entry("item", b"{}")])) == 1


async def test_log_that_is_away_says_so_to_whoever_asks(appended: Appended) -> None:
    store = AsyncRedisStore("redis://127.0.0.1:1", name="test")
    log = RedisLog(store, on_append=lambda _seconds, stored: appended.append(stored))
    for call in (log.ping, log.has_room, lambda: log.append([Entry("item", b"{}")])):
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await call()
    assert appended == [False]
    assert log.unacknowledged == 0
    await log.close()
