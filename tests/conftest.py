"""What tests of several packages share: a real Redis, and a real Kafka broker."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from rillrec.broker import Broker
from rillrec.kafka_jars import can_fetch
from serving.store.embedded import EmbeddedRedis
from serving.store.wire import Wire
from tests.kafka import Kafka


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


def _need_broker() -> None:
    """Skip, loudly, where no broker can be had; fail where that must not be, as in CI."""
    if can_fetch():
        return
    missing = "Java" if shutil.which("java") is None else "Maven"
    why = f"NO KAFKA BROKER: {missing} is not installed, and RILLREC_TEST_KAFKA names none"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One broker for the whole run: RILLREC_TEST_KAFKA, or one that is started here."""
    if address := os.environ.get("RILLREC_TEST_KAFKA"):
        yield Kafka(address)
        return
    _need_broker()
    with Broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield Kafka(broker.address)


@pytest.fixture
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker for one test, which may kill it. It asks users of its SASL port for a password."""
    _need_broker()
    broker = Broker(tmp_path_factory.mktemp("own-kafka"), users={"ann": "open sesame"})
    yield broker.start()
    broker.kill()
