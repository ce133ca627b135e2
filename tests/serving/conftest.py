"""A Redis that a test may break: its own, not the one that all share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.store import RedisStore
from serving.store.embedded import EmbeddedRedis


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A redis-server of this test alone."""
    with EmbeddedRedis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def redis_store(redis_url: str) -> Iterator[RedisStore]:
    """An empty store in the shared Redis."""
    store = RedisStore(redis_url, name="test")
    yield store
    store.close()
