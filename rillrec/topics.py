"""The topics that Rillrec reads and writes, as they should be; those that are missing are made."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from confluent_kafka import KafkaException
from confluent_kafka.cimpl import NewTopic
from msgspec import Struct

from rillrec.kafka_client import Admin, told
from rillrec.topic_states import Topic, describe
from schemas.errors import BrokerUnavailable
from schemas.kafka import MAX_MESSAGE_BYTES
from schemas.settings_kafka import KafkaSettings

DAY_MS = 86_400_000
TOMBSTONES_MS = 7 * DAY_MS
"""How long deletions of the catalogue are kept: a flow that was away for less sees them all."""
_POLL_S = 0.05


class Plan(Struct, frozen=True):
    """A topic as it should be. ``holds`` says what, for people; a flow reads it if ``is_read``."""

    name: str
    holds: str
    partitions: int
    config: dict[str, str]
    is_read: bool = False


class Created(Struct, frozen=True):
    """What became of a plan; where the topic was there, ``warnings`` tell how it differs."""

    name: str
    holds: str
    is_new: bool
    partitions: int
    warnings: list[str]


def plans(
    kafka: KafkaSettings, *, partitions: int = 8, retention_days: float | None = None
) -> list[Plan]:
    """Return the topics that the settings name, as they should be.

    Parameters
    ----------
    partitions
        Of each; incidents are few, and have one.
    retention_days
        Of events, letters and incidents; ``None`` leaves that to the broker. The catalogue is
        compacted, and wishes to be forgotten are kept for ever.
    """
    size = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
    kept = {"cleanup.policy": "delete", **size}
    if retention_days is not None:
        kept["retention.ms"] = str(round(retention_days * DAY_MS))
    compacted = {"cleanup.policy": "compact", "delete.retention.ms": str(TOMBSTONES_MS), **size}
    for_ever = {"cleanup.policy": "delete", "retention.ms": "-1", **size}
    return [
        Plan(kafka.interactions_topic, "interactions", partitions, kept, is_read=True),
        Plan(kafka.impressions_topic, "impressions", partitions, kept, is_read=True),
        Plan(kafka.items_topic, "items", partitions, compacted, is_read=True),
        Plan(kafka.forget_topic, "wishes to be forgotten", partitions, for_ever, is_read=True),
        Plan(kafka.dead_letters_topic, "dead letters", partitions, kept),
        Plan(kafka.incidents_topic, "incidents", 1, kept),
    ]


def create(admin: Admin, wanted: Sequence[Plan], *, replication: int = 1) -> list[Created]:
    """Create the topics that are missing, and return what is to be told of each.

    Raises
    ------
    BrokerError
        The broker does not answer, or refuses.
    """
    before = describe(admin, [plan.name for plan in wanted])
    missing = [plan for plan in wanted if plan.name not in before]
    is_new = _make(admin, missing, replication)
    _wait_for(admin, list(is_new))
    return [
        _as_it_was(plan, before[plan.name])
        if plan.name in before
        else Created(plan.name, plan.holds, is_new[plan.name], plan.partitions, [])
        for plan in wanted
    ]


def _make(admin: Admin, missing: list[Plan], replication: int) -> dict[str, bool]:
    """Return topic to whether it was made here: somebody else may have been faster."""
    new = [NewTopic(p.name, p.partitions, replication, config=p.config) for p in missing]
    made = {}
    for name, answer in (admin.client.create_topics(new) if new else {}).items():
        with told(admin.kafka, name):
            try:
                answer.result(admin.kafka.metadata_timeout_s)
                made[name] = True
            except KafkaException as error:
                if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                    raise
                made[name] = False
    return made


def _wait_for(admin: Admin, names: list[str]) -> None:
    """Return when the topics can be used: they are listed, and their partitions have leaders."""
    deadline = time.monotonic() + admin.kafka.metadata_timeout_s
    while missing := names and sorted(set(names) - set(describe(admin, names))):
        if time.monotonic() > deadline:
            raise BrokerUnavailable(
                f"Kafka at {admin.kafka.brokers} has made {', '.join(missing)}, but does not list "
                f"them within {admin.kafka.metadata_timeout_s:g} s: try again"
            )
        time.sleep(_POLL_S)


def _as_it_was(plan: Plan, topic: Topic) -> Created:
    warnings = [f"{text}: {remedy}" for _, text, remedy in differences(plan, topic)]
    return Created(plan.name, plan.holds, False, len(topic.partitions), warnings)


def differences(plan: Plan, topic: Topic) -> Iterator[tuple[str, str, str]]:
    """Yield how a topic differs from what it should be: in what, how, and what to do."""
    if len(topic.partitions) != plan.partitions:
        yield (
            "partitions",
            f"it has {len(topic.partitions)} partitions, not {plan.partitions}",
            "that works; more can be added, but none taken away",
        )
    for key, wanted in plan.config.items():
        have = topic.config.get(key, wanted)
        if have == wanted or (key == "max.message.bytes" and int(have) > int(wanted)):
            continue
        yield (
            key,
            f"its {key} is {have}, not {wanted}",
            f"kafka-configs --alter --entity-type topics --entity-name {topic.name} "
            f"--add-config {key}={wanted}",
        )
