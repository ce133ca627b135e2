from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rillrec.stores import RedisAt, answers, clients_of
from schemas.settings import Settings, StoreSettings
from serving.store.wire import Wire
from tests.patience import until

pytestmark = pytest.mark.redis


@pytest.fixture
def redis(tmp_path: Path) -> RedisAt:
    return RedisAt(Settings(store=StoreSettings(data_dir=tmp_path)))


def test_a_redis_that_nobody_else_uses_ends_at_once(redis: RedisAt) -> None:
    redis.start()
    assert clients_of(redis.url) == 0
    redis.stop_when_unused()
    assert not answers(redis.url)


def test_a_redis_that_others_use_is_kept_until_they_have_ended(
    redis: RedisAt, caplog: pytest.LogCaptureFixture
) -> None:
    redis.start()
    other = Wire(redis.url, timeout_s=10.0)
    other.call("PING")
    stopping = threading.Thread(target=redis.stop_when_unused, kwargs={"pause_s": 0.01})
    stopping.start()
    until(lambda: "it is kept until they have ended" in caplog.text)
    assert stopping.is_alive()
    assert other.call("PING") == b"PONG"
    other.close()
    stopping.join(timeout=240)
    assert not answers(redis.url)


def test_a_redis_of_another_process_is_left_alone(redis: RedisAt) -> None:
    redis.start()
    guest = RedisAt(Settings(store=StoreSettings(data_dir=Path(redis.embedded.directory).parent)))
    guest.start()
    guest.stop_when_unused()
    assert answers(redis.url)
    redis.stop()
