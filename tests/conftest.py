"""What tests of several packages share: a real Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serving.store.embedded import EmbeddedRedis
from serving.store.wire import Wire


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """One redis-server for the whole run."""
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """The URL of a Redis whose databases are empty."""
    wire = Wire(redis_server.url, timeout_s=5.0)
    wire.call("FLUSHALL")
    wire.close()
    return redis_server.url
