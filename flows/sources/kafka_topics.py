"""Which topics there are, and how many partitions each has: asked without waiting, or with."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from flows.kafka_client import broker_error, client_of
from flows.sources.kafka_bounds import Place, bounds_of, offsets_at
from flows.sources.kafka_start import Bounds
from schemas.errors import BrokerError, BrokerUnavailable
from schemas.kafka import explained
from schemas.settings_kafka import KafkaSettings

MISSING = "UNKNOWN_TOPIC_OR_PART"
FORBIDDEN = "TOPIC_AUTHORIZATION_FAILED"
_POLL_S = 0.05
_BARRED = ("_AUTHENTICATION", "_SSL")


class Topics:
    """Asks the brokers about topics, one question at a time.

    Parameters
    ----------
    on_error
        Told what librdkafka complains about meanwhile.
    clock
        The seconds by which questions run out.

    Attributes
    ----------
    refused
        Topic to what the last answer said of it instead of its partitions: ``MISSING``, which
        needs no right to be told, or ``FORBIDDEN``.
    leaderless
        Partitions that no broker led at the last answer: nobody can read them then.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        on_error: Callable[[KafkaError], None] = lambda _error: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kafka, self._on_error, self._clock = kafka, on_error, clock
        self._complaints: dict[str, KafkaError] = {}
        self._asked: Mapping[str, Future[Any]] = {}
        self.refused: dict[str, str] = {}
        self.leaderless: list[str] = []
        self._admin = client_of(AdminClient, kafka, on_error=self._complain)

    def _complain(self, error: KafkaError) -> None:
        self._complaints[error.name()] = error
        self._on_error(error)

    def ask(self, topics: Sequence[str]) -> None:
        """Ask about topics; the answer to an earlier question is not waited for any more."""
        self._complaints.clear()
        timeout_s = self._kafka.metadata_timeout_s
        self._asked = self._admin.describe_topics(
            TopicCollection(list(topics)), request_timeout=timeout_s
        )

    def answer(self) -> dict[str, int] | None:
        """Return topic to its number of partitions, ``None`` while there is no answer.

        Raises
        ------
        BrokerUnavailable
            The brokers did not answer.
        BrokerError
            They did, but refused.
        """
        self._admin.poll(0)
        if not all(future.done() for future in self._asked.values()):
            return None
        counts, self.refused, self.leaderless = {}, {}, []
        for topic, future in self._asked.items():
            try:
                partitions = future.result().partitions
                counts[topic] = len(partitions)
                self.leaderless += [f"{topic}/{one.id}" for one in partitions if not one.leader]
            except KafkaException as error:
                name = error.args[0].name()
                if name not in (MISSING, FORBIDDEN):
                    raise self._error(error.args[0]) from None
                self.refused[topic] = name
        return counts

    def wait(self, topics: Sequence[str]) -> dict[str, int]:
        """Return topic to its number of partitions, within ``metadata_timeout_s``.

        Raises
        ------
        BrokerError
            As ``answer``; brokers that refuse the credentials are not asked on.
        """
        self.ask(topics)
        until_s = self._clock() + self._kafka.metadata_timeout_s
        while (counts := self.answer()) is None:
            if any(name in self._complaints for name in _BARRED) or self._clock() > until_s + 1:
                raise self._error(None)
            self._admin.poll(_POLL_S)
        return counts

    def bounds(self, places: Sequence[Place]) -> dict[Place, Bounds]:
        """Return between which offsets partitions can be read now. Raises as ``bounds_of``."""
        return bounds_of(self._admin, self._kafka, places)

    def offsets_at(self, places: Sequence[Place], time_ms: int) -> dict[Place, int | None]:
        """Return where a time lies in partitions. Raises as ``bounds_of``."""
        return offsets_at(self._admin, self._kafka, places, time_ms)

    def refusal(self, topic: str) -> str:
        """Return in words why a topic was refused, and what to do."""
        name = self.refused[topic]
        return explained(name, "not authorized", brokers=self._kafka.brokers, topic=topic)

    def _error(self, answered: KafkaError | None) -> BrokerError:
        """Return why there is no answer: what was complained about says more than the answer."""
        names = (*_BARRED, "_RESOLVE", "_TRANSPORT", "_ALL_BROKERS_DOWN")
        told = [self._complaints[name] for name in names if name in self._complaints]
        if answered is not None and (answered.name() != "_TIMED_OUT" or not told):
            return broker_error(answered, self._kafka)
        if told:
            return broker_error(told[0], self._kafka)
        return BrokerUnavailable(explained("_TIMED_OUT", "timed out", brokers=self._kafka.brokers))
