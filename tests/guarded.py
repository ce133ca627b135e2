"""A broker that asks for passwords, what ann may do there, and her settings."""

from __future__ import annotations

import time

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from rillrec.broker import Broker
from schemas.settings_kafka import KafkaSettings
from tests.flows.kafka_streams import settings_of
from tests.kafka import Kafka

PASSWORD = "open sesame"


def as_ann(guarded: Broker, *, password: str = PASSWORD, **changes: object) -> KafkaSettings:
    """Return settings of a user who must say a password."""
    properties = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "ann",
        "sasl.password": password,
    }
    kafka = Kafka(guarded.address)
    return settings_of(kafka, brokers=guarded.sasl_address, properties=properties, **changes)


def acls_of(topic: str) -> AclBindingFilter:
    """Return a filter that finds what was granted of a topic."""
    return AclBindingFilter(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        None,
        None,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def grant(guarded: Broker, topic: str, *operations: AclOperation) -> None:
    """Let ann do something with a topic."""
    bindings = [
        AclBinding(
            ResourceType.TOPIC,
            topic,
            ResourcePatternType.LITERAL,
            "User:ann",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for operation in operations
    ]
    kafka = Kafka(guarded.address)
    for granted in kafka.admin.create_acls(bindings).values():
        granted.result(120)
    while len(kafka.admin.describe_acls(acls_of(topic)).result(120)) < len(bindings):
        time.sleep(0.05)
