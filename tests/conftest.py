"""What tests of several packages share: a real Redis, and a real Kafka broker."""

from __future__ import annotations

import os

# Tests start servers while clients of gRPC live in this process. Its handlers of forks take part in
# that, and have been seen to abort the child before it became a server.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from rillrec.broker import Broker
from serving.store.embedded import EmbeddedRedis
from serving.store.wire import Wire
from tests.guarded import PASSWORD
from tests.kafka import Kafka, need_broker

# How long an example takes tells of the machine. In CI all draw the same ones: what is found there
# must be what a change did; new ones are looked for wherever somebody works.
settings.register_profile(
    "rillrec",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("rillrec")


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a broker, so that ``-m 'not kafka'`` leaves it out."""
    for item in items:
        if {"kafka", "own_broker", "guarded"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("kafka")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One broker for the whole run: RILLREC_TEST_KAFKA, or one that is started here.

    Without one the tests that use it are skipped, loudly; in CI they fail.
    """
    if address := os.environ.get("RILLREC_TEST_KAFKA"):
        yield Kafka(address)
        return
    directory = tmp_path_factory.mktemp("kafka")
    need_broker(directory, environ=os.environ)
    broker = Broker(directory).start()
    yield Kafka(broker.address)
    broker.kill()  # what it holds is thrown away


@pytest.fixture
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker for one test, which may kill it. It asks users of its SASL port for a password."""
    directory = tmp_path_factory.mktemp("own-kafka")
    need_broker(directory, environ=os.environ)
    broker = Broker(directory, users={"ann": "open sesame"})
    yield broker.start()
    broker.kill()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that asks for passwords, and lets nobody do what was not granted."""
    directory = tmp_path_factory.mktemp("guarded")
    need_broker(directory, environ={})
    rights = {"allow.everyone.if.no.acl.found": "false"}
    broker = Broker(directory, users={"ann": PASSWORD}, settings=rights)
    yield broker.start()
    broker.kill()
