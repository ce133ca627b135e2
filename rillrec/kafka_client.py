"""Kafka's client, opened and asked so that every failure is one of ours, in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from schemas.errors import BrokerError, BrokerUnavailable, SettingsError
from schemas.kafka import (
    client_properties,
    explained,
    is_away,
    is_passing,
    is_refused,
    property_refused,
)

if TYPE_CHECKING:
    from concurrent.futures import Future

    from confluent_kafka.admin._metadata import ClusterMetadata

    from schemas.settings_kafka import KafkaSettings

ATTEMPT_S = 1.0
POLL_S = 0.05
Client = TypeVar("Client")
Key = TypeVar("Key")
Answer = TypeVar("Answer")


def error_of(error: KafkaError, kafka: KafkaSettings, topic: str = "") -> BrokerError:
    """Return an error of librdkafka as one of ours, with cause, value and remedy."""
    text = explained(error.name(), error.str(), brokers=kafka.brokers, topic=topic)
    return BrokerUnavailable(text) if is_away(error.name()) else BrokerError(text)


@contextmanager
def told(kafka: KafkaSettings, topic: str = "") -> Iterator[None]:
    """Raise what librdkafka raises in the block as an error of ours; also that it says nothing."""
    try:
        yield
    except KafkaException as error:
        raise error_of(error.args[0], kafka, topic) from error
    except TimeoutError as error:
        raise error_of(KafkaError(KafkaError._TIMED_OUT), kafka, topic) from error


def opened(
    kind: Callable[[dict[str, Any]], Client], properties: dict[str, object], kafka: KafkaSettings
) -> Client:
    """Return a client of librdkafka; it is silent, as its errors are told by whoever uses it.

    Raises
    ------
    SettingsError
        It does not take the properties.
    """
    try:
        return kind({"log_level": 0, **properties})
    except KafkaException as error:
        raise SettingsError(property_refused(kafka, error.args[0].str())) from None


class Admin:
    """Asks brokers about topics, and has them make some.

    Raises
    ------
    SettingsError
        No brokers are named, or librdkafka does not take the properties.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        if not kafka.brokers:
            raise SettingsError(
                "kafka.brokers is empty: say --brokers HOST:PORT, or set it in rillrec.toml or as "
                "RILLREC_KAFKA__BROKERS"
            )
        self.kafka = kafka
        self._complaints: list[KafkaError] = []
        properties = client_properties(kafka, {"error_cb": self._complaints.append})
        self.client: AdminClient = opened(AdminClient, properties, kafka)

    def metadata(self) -> ClusterMetadata:
        """Return the brokers and topics that there are.

        Raises
        ------
        BrokerUnavailable
            None answers within ``kafka.metadata_timeout_s``.
        BrokerError
            They refuse us: that is told at once.
        """
        deadline = time.monotonic() + self.kafka.metadata_timeout_s
        while True:
            wait_s = min(ATTEMPT_S, max(deadline - time.monotonic(), 0.05))
            try:
                return self.client.list_topics(timeout=wait_s)
            except KafkaException as error:
                cause = self._cause(error.args[0])
                if is_refused(cause.name()) or time.monotonic() > deadline:
                    raise error_of(cause, self.kafka) from error

    def _cause(self, error: KafkaError) -> KafkaError:
        """Return the most telling of what librdkafka has complained of: the reason of the error."""
        self.client.poll(0)
        known = [one for one in self._complaints if one.name() != "_ALL_BROKERS_DOWN"]
        refusals = [one for one in known if is_refused(one.name())]
        return (refusals or known or [error])[-1]

    def answers(self, ask: Callable[[], Mapping[Key, Future[Answer]]]) -> dict[Key, Answer]:
        """Return what brokers answer; asks again where a topic is on its way to them.

        Raises
        ------
        BrokerError
            They refuse, or do not answer within ``kafka.metadata_timeout_s``.
        """
        return self.patiently(lambda: self._answers(ask()))

    def _answers(self, asked: Mapping[Key, Future[Answer]]) -> dict[Key, Answer]:
        found = {}
        for key, future in asked.items():
            with told(self.kafka, _topic_in(key)):
                found[key] = future.result(self.kafka.metadata_timeout_s)
        return found

    def patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Return an answer; asks again while leaders or coordinators are being chosen.

        Raises
        ------
        BrokerError
            The brokers refuse, or do not answer within ``kafka.metadata_timeout_s``.
        """
        deadline = time.monotonic() + self.kafka.metadata_timeout_s
        while True:
            try:
                with told(self.kafka):
                    return ask()
            except BrokerError as error:
                cause = error.__cause__
                name = cause.args[0].name() if isinstance(cause, KafkaException) else ""
                if not is_passing(name) or time.monotonic() > deadline:
                    raise
            time.sleep(POLL_S)


def _topic_in(key: object) -> str:
    return str(getattr(key, "topic", None) or getattr(key, "name", key))
