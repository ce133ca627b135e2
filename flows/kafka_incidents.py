"""Incidents in a topic of Kafka, as JSON."""

from __future__ import annotations

import logging
from types import TracebackType

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from flows.incidents import Incident
from flows.kafka_client import broker_error, client_of
from flows.tally import Tally
from schemas.kafka import producer_properties
from schemas.settings_kafka import KafkaSettings

_FLUSH_S = 5.0
_BOUNDED = {"queue.buffering.max.messages": 1_000}
_log = logging.getLogger(__name__)


class KafkaIncidents:
    """Sends incidents to their topic, and never stops a flow.

    Up to 1,000 wait for brokers that are away, each for ``kafka.delivery_timeout_s``; what is given
    up is counted, and stands in the log as all incidents do.

    Parameters
    ----------
    tally
        Counts what was dropped.
    """

    def __init__(self, kafka: KafkaSettings, *, tally: Tally) -> None:
        self._kafka, self._topic, self._tally = kafka, kafka.incidents_topic, tally
        self._failing = ""
        self._producer = client_of(
            Producer,
            kafka,
            on_error=lambda _error: None,  # the source tells of brokers that are away
            own=producer_properties(kafka),
            advised=_BOUNDED,
        )

    def __call__(self, incident: Incident) -> None:
        """Send an incident, without waiting."""
        try:
            self._producer.produce(
                self._topic, msgspec.json.encode(incident), on_delivery=self._delivered
            )
        except BufferError:
            self._tally.incident_dropped()
        except KafkaException as error:
            self._delivered(error.args[0], None)
        self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, _: Message | None) -> None:
        if error is None:
            self._failing = ""
            return
        self._tally.incident_dropped()
        if error.name() != self._failing:
            self._failing = error.name()
            told = broker_error(error, self._kafka, topic=self._topic)
            _log.warning("incidents are dropped, but for this log: %s", told)

    def close(self, *, timeout_s: float = _FLUSH_S) -> None:
        """Wait a while for what is on its way, and let go of the brokers."""
        for _ in range(self._producer.flush(timeout_s)):
            self._tally.incident_dropped()
        self._producer.purge()

    def __enter__(self) -> KafkaIncidents:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
