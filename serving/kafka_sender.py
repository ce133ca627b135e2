"""A producer of librdkafka, the thread that serves it, and what troubles it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.errors import SettingsError
from schemas.kafka import producer_properties, property_refused

if TYPE_CHECKING:
    from schemas.settings_kafka import KafkaSettings

_log = logging.getLogger(__name__)
_POLL_S = 0.1
_RENEW_PAUSE_S = 1.0
_LAST_WORDS_S = 1.0

OnDelivery = Callable[[KafkaError | None, Message], None]


class Sender:
    """Sends messages, and tells of each what became of it, in a thread of its own.

    A producer that librdkafka declares dead (an idempotent one is, when the order of its messages
    can't be kept any more, or when it is denied to write) is replaced by a new one, about once a
    second, for as long as it takes; what it had in hand is told to have failed.

    Parameters
    ----------
    advised
        Properties of librdkafka, which those of the settings win over.

    Raises
    ------
    SettingsError
        librdkafka does not take the properties.

    Attributes
    ----------
    most_bytes
        Of a message, its key included.
    trouble
        The last error that librdkafka told of, by name and in words; ``None`` in good health.
    """

    def __init__(self, kafka: KafkaSettings, advised: Mapping[str, object]) -> None:
        own = {name: value for name, value in advised.items() if name not in kafka.properties}
        self._properties = producer_properties(kafka, own)
        self.trouble: KafkaError | None = None
        self._dead = self._ending = self._renewed = False
        self._woken = threading.Event()
        try:
            self.most_bytes = int(str(self._properties["message.max.bytes"]))
            self._producer = self._made()
        except (KafkaException, TypeError, ValueError) as error:
            raise SettingsError(property_refused(kafka, _words(error))) from None
        self._thread = threading.Thread(target=self._serve, name="kafka-sender", daemon=True)
        self._thread.start()

    def _made(self) -> Producer:
        return Producer({**self._properties, "error_cb": self._note}, logger=_log)

    def __len__(self) -> int:
        """Return how many messages are not acknowledged yet."""
        return len(self._producer)

    def send(self, topic: str, value: bytes, key: str | None, on_delivery: OnDelivery) -> None:
        """Queue a message.

        Raises
        ------
        BufferError
            The queue is full.
        KafkaException
            The message can't be sent at all.
        """
        self._producer.produce(topic, value, key, on_delivery=on_delivery)

    def ask_for(self, topic: str, *, timeout_s: float) -> KafkaError | None:
        """Ask the brokers for a topic, and return what is wrong with it. Blocks.

        Raises
        ------
        KafkaException
            They do not answer in time.
        """
        told = self._producer.list_topics(topic, timeout=timeout_s)
        error: KafkaError | None = told.topics[topic].error
        return error

    def well(self) -> None:
        """Take note that the brokers answer."""
        self.trouble, self._renewed = None, False

    def _note(self, error: KafkaError) -> None:
        # That all brokers are down says less than what was said of one of them before.
        if self.trouble is None or error.name() != "_ALL_BROKERS_DOWN":
            self.trouble = error

    def _serve(self) -> None:
        while not self._ending:
            try:
                self._called(self._producer.poll, _POLL_S)
                if self._dead:
                    self._renew()
            except Exception:  # the boundary of the thread: others wait for what it tells
                _log.exception("Kafka's producer can't be served, for a reason nobody foresaw")
                self._woken.wait(_POLL_S)

    def _called(self, call: Callable[[float], int], seconds: float) -> int:
        """Have librdkafka tell what became of messages; note if it tells that the producer is dead.

        That is raised, and first within whatever callback happens to be next, which then is lost.
        """
        try:
            return call(seconds)
        except (KafkaException, SystemError) as error:
            cause = error if isinstance(error, KafkaException) else error.__cause__
            if not isinstance(cause, KafkaException):
                raise
            self._note(cause.args[0])
            self._dead = True
            return len(self._producer)

    def _renew(self) -> None:
        if not self._renewed:
            _log.warning("Kafka's producer is dead, new ones are tried: %s", self.trouble)
        dead, self._producer = self._producer, self._made()
        self._dead, self._renewed = False, True
        dead.purge()
        self._called(dead.flush, _LAST_WORDS_S)
        self._dead = False  # of the new one nothing is known yet
        self._woken.wait(_RENEW_PAUSE_S)

    def close(self, *, within_s: float) -> None:
        """Send what is queued, as far as time allows, and end. Blocks."""
        self._ending = True
        self._woken.set()
        self._thread.join()
        left = self._called(self._producer.flush, within_s)
        if left:
            _log.warning("%d events were not acknowledged by the end, and may not be stored", left)
            self._producer.purge()
            self._called(self._producer.flush, _LAST_WORDS_S)


def _words(error: Exception) -> str:
    cause = error.args[0] if error.args else error
    return str(cause.str() if isinstance(cause, KafkaError) else cause).strip()
