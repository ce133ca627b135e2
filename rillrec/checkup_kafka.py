"""What can be wrong with Kafka: brokers, topics, and how far the flow is behind."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rillrec.checkup import Finding
from schemas.errors import BrokerError, SettingsError
from schemas.settings import Settings

if TYPE_CHECKING:
    from rillrec.topic_states import Topic
    from rillrec.topics import Plan

BEHIND = 10_000


def check_kafka(settings: Settings) -> Iterator[Finding]:
    """Look at the brokers, the topics and the lag of the model's flow, where Kafka is used."""
    kafka = settings.kafka
    if importlib.util.find_spec("confluent_kafka") is None:
        yield Finding(
            "kafka", "fail", "confluent-kafka is not installed", "pip install 'rillrec[kafka]'"
        )
        return
    from rillrec.kafka_client import Admin
    from rillrec.topic_states import describe
    from rillrec.topics import plans

    wanted, group = plans(kafka), kafka.group_of(settings.model.name)
    try:
        admin = Admin(kafka)
        brokers = len(admin.metadata().brokers)
        found = describe(admin, [plan.name for plan in wanted], group=group)
    except (BrokerError, SettingsError) as error:
        yield Finding("kafka", "fail", str(error), "see what the message names")
        return
    yield Finding("kafka", "ok", f"{_count(brokers, 'broker')} at {kafka.brokers}")
    yield _check_missing(wanted, found)
    yield from _check_settings(wanted, found)
    yield _check_lag(group, [found[p.name] for p in wanted if p.is_read and p.name in found])


def _check_missing(wanted: list[Plan], found: dict[str, Topic]) -> Finding:
    missing = [plan.name for plan in wanted if plan.name not in found]
    if missing:
        return Finding(
            "kafka topics", "fail", f"missing: {', '.join(missing)}", "rillrec topics create"
        )
    counts = [len(found[plan.name].partitions) for plan in wanted if plan.is_read]
    parts = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    return Finding("kafka topics", "ok", f"all are there; partitions of events: {parts}")


def _check_settings(wanted: list[Plan], found: dict[str, Topic]) -> Iterator[Finding]:
    from rillrec.topics import differences

    for plan in wanted:
        if topic := found.get(plan.name):
            for key, text, remedy in differences(plan, topic):
                if key != "partitions":
                    yield Finding(f"topic {plan.name}", "warn", text, remedy)


def _check_lag(group: str, topics: list[Topic]) -> Finding:
    messages = sum(topic.messages for topic in topics)
    if all(topic.lag is None for topic in topics):
        detail = f"{group} has read nothing yet of {_count(messages, 'message')}"
        if not messages:
            return Finding("kafka lag", "ok", detail)
        return Finding("kafka lag", "warn", detail, "start `rillrec flow`")
    lag = sum(p.lag for topic in topics for p in topic.partitions)
    detail = f"{group} is {_count(lag, 'message')} behind"
    if lag < BEHIND:
        return Finding("kafka lag", "ok", detail)
    return Finding(
        "kafka lag", "warn", detail, "look whether `rillrec flow` runs, or give it more --workers"
    )


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
