"""How topics are: their settings, what they hold, and how far our group has read them."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._resource import ResourceType
from msgspec import Struct

from rillrec.kafka_client import Admin, opened
from schemas.kafka import client_properties

_SHOWN = ("cleanup.policy", "retention.ms", "delete.retention.ms", "max.message.bytes")
Place = tuple[str, int]


class Partition(Struct, frozen=True):
    """A partition: the first offset it holds, the next it gives, the first our group lacks.

    ``committed`` is ``None`` where the group has said nothing yet.
    """

    number: int
    low: int
    high: int
    committed: int | None

    @property
    def lag(self) -> int:
        """How many messages our group has not read; all of them where it has said nothing."""
        return max(self.high - max(self.low, self.committed or 0), 0)


class Topic(Struct, frozen=True):
    """A topic as it is."""

    name: str
    config: dict[str, str]
    partitions: list[Partition]

    @property
    def messages(self) -> int:
        """How many offsets it holds; where it is compacted, not each of them has a message."""
        return sum(one.high - one.low for one in self.partitions)

    @property
    def lag(self) -> int | None:
        """How far our group is behind; ``None`` where it has said nothing."""
        if all(one.committed is None for one in self.partitions):
            return None
        return sum(one.lag for one in self.partitions)


def describe(admin: Admin, names: Iterable[str], *, group: str = "") -> dict[str, Topic]:
    """Return those of some topics that there are, by name.

    Parameters
    ----------
    group
        Whose offsets are looked up; empty looks up none.

    Raises
    ------
    BrokerError
        The broker does not answer, or refuses.
    """
    there = admin.metadata().topics
    parts = {name: sorted(there[name].partitions) for name in names if name in there}
    if not parts:
        return {}
    places = [TopicPartition(name, number) for name in parts for number in parts[name]]
    configs = _configs(admin, parts)
    low = _offsets(admin, places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
    high = _offsets(admin, places, OffsetSpec.latest())  # type: ignore[no-untyped-call]
    committed = _committed(admin, places, group) if group else {}
    return {
        name: Topic(
            name,
            configs[name],
            [
                Partition(n, low[name, n], high[name, n], committed.get((name, n)))
                for n in parts[name]
            ],
        )
        for name in parts
    }


def _configs(admin: Admin, names: Iterable[str]) -> dict[str, dict[str, str]]:
    wanted = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    answers = admin.answers(lambda: admin.client.describe_configs(wanted))
    return {
        resource.name: {key: str(answer[key].value) for key in _SHOWN if key in answer}
        for resource, answer in answers.items()
    }


def _offsets(admin: Admin, places: list[TopicPartition], spec: OffsetSpec) -> dict[Place, int]:
    asked = dict.fromkeys(places, spec)
    answers = admin.answers(lambda: admin.client.list_offsets(asked))
    return {(place.topic, place.partition): answer.offset for place, answer in answers.items()}


def _committed(admin: Admin, places: list[TopicPartition], group: str) -> dict[Place, int]:
    """Return what a group has committed.

    A consumer asks, as the admin client of librdkafka 2.16 crashes where the group's coordinator is
    only being chosen (``rd_kafka_handle_OffsetFetch`` tells a group that it does not have).
    """
    kafka = admin.kafka
    own = {"group.id": group, "enable.auto.commit": False}
    consumer: Consumer = opened(Consumer, client_properties(kafka, own), kafka)
    try:
        found = admin.patiently(lambda: consumer.committed(places, kafka.metadata_timeout_s))
    finally:
        consumer.close()
    return {(one.topic, one.partition): one.offset for one in found if one.offset >= 0}
