"""Between which offsets partitions can be read, and where a time lies: asked for all at once.

A consumer could be asked too, one partition after the other; but an answer on a connection that
waits for news takes half a second.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from flows.kafka_client import broker_error
from flows.sources.kafka_start import Bounds
from schemas.kafka import is_passing
from schemas.settings_kafka import KafkaSettings

Place = tuple[str, int]
_AGAIN_S = 0.05
_SPECS: Any = OffsetSpec  # published without types


def bounds_of(
    admin: AdminClient, kafka: KafkaSettings, places: Sequence[Place]
) -> dict[Place, Bounds]:
    """Return topic and partition to what can be read there now.

    Raises
    ------
    BrokerUnavailable, BrokerError
        The brokers do not answer within ``kafka.metadata_timeout_s``, or refuse.
    """
    earliest = _offsets(admin, kafka, places, _SPECS.earliest())
    latest = _offsets(admin, kafka, places, _SPECS.latest())
    return {place: Bounds(earliest[place], latest[place]) for place in places}


def offsets_at(
    admin: AdminClient, kafka: KafkaSettings, places: Sequence[Place], time_ms: int
) -> dict[Place, int | None]:
    """Return the first offsets at or after a time, ``None`` where there is none yet.

    Raises
    ------
    BrokerUnavailable, BrokerError
        As ``bounds_of``.
    """
    found = _offsets(admin, kafka, places, _SPECS.for_timestamp(time_ms))
    return {place: None if offset < 0 else offset for place, offset in found.items()}


def _offsets(
    admin: AdminClient, kafka: KafkaSettings, places: Sequence[Place], spec: Any
) -> dict[Place, int]:
    """Ask until all are answered: partitions that are about to get a leader are asked again."""
    found: dict[Place, int] = {}
    isolation = kafka.properties.get("isolation.level")
    uncommitted = isolation is not None and isolation.get_secret_value() == "read_uncommitted"
    level = IsolationLevel.READ_UNCOMMITTED if uncommitted else IsolationLevel.READ_COMMITTED
    until_s = time.monotonic() + kafka.metadata_timeout_s
    while left := [place for place in places if place not in found]:
        asked: dict[TopicPartition, Future[Any]] = admin.list_offsets(
            {TopicPartition(*place): spec for place in left},
            isolation_level=level,
            request_timeout=kafka.metadata_timeout_s,
        )
        for place, future in asked.items():
            try:
                found[place.topic, place.partition] = int(future.result().offset)
            except KafkaException as error:
                name = error.args[0].name()
                if not is_passing(name) or time.monotonic() > until_s:
                    raise broker_error(error.args[0], kafka, topic=place.topic) from None
        if len(found) < len(places):
            time.sleep(_AGAIN_S)
    return found
