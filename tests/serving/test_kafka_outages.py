"""A broker that goes, that refuses us, that denies us: told while it lasts, and got over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from rillrec.broker import Broker
from schemas.errors import BrokerError, BrokerUnavailable
from schemas.settings_kafka import KafkaSettings
from serving.event_log import Entry
from serving.kafka_log import KafkaLog
from tests.kafka import Kafka
from tests.patience import PATIENCE_S, soon

pytestmark = pytest.mark.slow

CLICK = Entry("interaction", b"{}", "ann")
SASL = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "PLAIN",
    "sasl.username": "ann",
    "sasl.password": "open sesame",
}


@asynccontextmanager
async def log_at(brokers: str, **settings: Any) -> AsyncIterator[KafkaLog]:
    log = KafkaLog(KafkaSettings(brokers=brokers, **settings))
    try:
        yield log
    finally:
        await log.close()


def denial(
    kind: ResourceType,
    name: str,
    operation: AclOperation,
    permission: AclPermissionType = AclPermissionType.DENY,
) -> AclBinding:
    """Return what ann may not do, or may."""
    literal = ResourcePatternType.LITERAL
    return AclBinding(kind, name, literal, "User:ann", "*", operation, permission)


async def eventually(call: Callable[[], Awaitable[Any]], *, within_s: float = PATIENCE_S) -> Any:
    """Return what a call returns once it goes well."""
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            return await call()
        except BrokerError:
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.05)


async def told(log: KafkaLog, what: str) -> BrokerError:
    """Return the error that says so: a broker that is busy may not have answered at first."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with pytest.raises(BrokerError) as failed:
                await log.append([CLICK], within_s=2.0)
            if what in str(failed.value):
                return failed.value


async def test_broker_that_is_killed_is_told_and_found_again_when_it_is_back(
    own_broker: Broker,
) -> None:
    topics = Kafka(own_broker.address).topics()
    async with log_at(own_broker.address, delivery_timeout_s=300, **topics) as log:
        [first] = await log.append([CLICK])
        own_broker.kill()
        started_s = time.monotonic()
        with pytest.raises(BrokerUnavailable, match=r"does not answer: .*; it may be stored"):
            await log.append([CLICK], within_s=1.0)
        assert time.monotonic() - started_s < 30.0
        with pytest.raises(BrokerUnavailable, match="does not answer"):
            await log.ping()
        waits = asyncio.create_task(log.append([CLICK], within_s=200.0))
        await asyncio.to_thread(own_broker.start)
        [late] = await waits  # an outage within the deadline is waited out
        [next_one] = await log.append([CLICK], within_s=100.0)
        await eventually(log.ping)
    assert first.offset == 0
    assert sorted([late.offset, next_one.offset]) == [2, 3]  # what was given up came through, once
    assert Kafka(own_broker.address).ends(first.topic) == {0: 4}


async def test_wrong_password_is_told_by_the_broker_and_never_repeated(
    own_broker: Broker, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    topics = Kafka(own_broker.address).topics()
    wrong = {**SASL, "sasl.password": "hunter2"}
    async with log_at(own_broker.sasl_address, properties=wrong, **topics) as log:
        one = await told(log, "refuses the credentials")
        assert "Invalid username" in str(one)
        with pytest.raises(BrokerError, match=r"correct sasl\.username, sasl\.password") as other:
            await log.ping()
    said = f"{one} {other.value} {caplog.text} {''.join(capfd.readouterr())}"
    assert "hunter2" not in said
    async with log_at(own_broker.sasl_address, properties=SASL, **topics) as log:
        assert (await log.append([CLICK]))[0].offset == 0


async def test_user_who_is_denied_to_write_is_told_and_goes_on_once_allowed(
    own_broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    kafka = Kafka(own_broker.address)
    topics = kafka.topics()
    denied = [
        denial(ResourceType.TOPIC, "*", AclOperation.WRITE),
        denial(ResourceType.BROKER, "kafka-cluster", AclOperation.IDEMPOTENT_WRITE),
        denial(ResourceType.TOPIC, "*", AclOperation.DESCRIBE, AclPermissionType.ALLOW),
    ]
    for created in kafka.admin.create_acls(denied).values():
        created.result(60)
    async with log_at(own_broker.sasl_address, properties=SASL, **topics) as log:
        with pytest.raises(BrokerError, match=r"denies access .*grant this user the ACL"):
            await log.append([CLICK], within_s=60.0)
        await soon(lambda: "producer is dead, new ones are tried" in caplog.text)
        await asyncio.sleep(2.5)  # they are, and fare no better
        assert caplog.text.count("producer is dead, new ones are tried") == 1
        every = AclBindingFilter(
            ResourceType.ANY,
            None,
            ResourcePatternType.ANY,
            None,
            None,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        for deleted in kafka.admin.delete_acls([every]).values():
            deleted.result(60)
        [position] = await eventually(lambda: log.append([CLICK], within_s=10.0))
    assert position.topic == topics["interactions_topic"]
