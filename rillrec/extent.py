"""How long a log is, and how much of it has been read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaException, TopicPartition, admin
from msgspec import Struct

from flows.kafka_client import broker_error, client_of
from schemas.positions import Marks, mark_of
from schemas.settings_kafka import KafkaSettings

_SPEC: Any = vars(admin)["OffsetSpec"]  # its types say that it is private, its documentation not


class Extent(Struct, frozen=True):
    """What lies between two positions of a log.

    Examples
    --------
    >>> extent = Extent({"t": {0: 100, 1: 0}}, {"t": {0: 300, 1: 200}})
    >>> extent.size, extent.left({"t": {0: 250, 1: 0}})
    (400, 250)
    """

    begins: Marks
    ends: Marks

    @property
    def size(self) -> int:
        """Offsets from the beginning to the end."""
        return self.left(self.begins)

    def left(self, reached: Marks) -> int:
        """Return the offsets from what has been reached to the end."""
        return sum(
            max(0, end - max(mark_of(reached, topic, p), mark_of(self.begins, topic, p)))
            for topic, partitions in self.ends.items()
            for p, end in partitions.items()
        )

    def share(self, reached: Marks) -> float:
        """Return which part of it has been read, 0 to 1."""
        return 1.0 - self.left(reached) / self.size if self.size else 1.0


class Lengths:
    """Asks Kafka where partitions begin and end.

    Parameters
    ----------
    parts
        Topics and partitions.
    """

    def __init__(self, kafka: KafkaSettings, parts: Sequence[tuple[str, int]]) -> None:
        self._kafka, self._parts = kafka, tuple(parts)
        self._admin = client_of(admin.AdminClient, kafka, on_error=lambda _error: None, own={})

    def ends(self) -> Marks:
        """Return the offset that each partition's next record gets.

        Raises
        ------
        BrokerError
            The brokers refuse, or do not answer.
        """
        return self._offsets({part: _SPEC.latest() for part in self._parts})

    def begins(self, since_ms: int, *, whole: str) -> Marks:
        """Return the first offset at or after a time; of the topic ``whole``, that of all.

        Raises
        ------
        BrokerError
            As ``ends``.
        """
        specs = {
            part: _SPEC.earliest() if part[0] == whole else _SPEC.for_timestamp(since_ms)
            for part in self._parts
        }
        # Where nothing has come since, reading begins at the end.
        marks = self.ends()
        for topic, partitions in self._offsets(specs).items():
            marks.setdefault(topic, {}).update(partitions)
        return marks

    def _offsets(self, specs: dict[tuple[str, int], Any]) -> Marks:
        asked = {TopicPartition(*part): spec for part, spec in specs.items()}
        timeout_s = self._kafka.metadata_timeout_s
        marks: Marks = {}
        futures = self._admin.list_offsets(asked, request_timeout=timeout_s)
        for part, future in futures.items():
            try:
                offset = future.result(timeout_s + 1).offset
            except KafkaException as error:
                raise broker_error(error.args[0], self._kafka, topic=part.topic) from None
            if offset >= 0:  # -1: nothing was appended since that time
                marks.setdefault(part.topic, {})[part.partition] = offset
        return marks
