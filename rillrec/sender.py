"""Messages into topics: each acknowledged, none dropped, at a steady rate."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from confluent_kafka import KafkaError, Message, Producer

from rillrec.kafka_client import Admin, error_of, opened
from schemas.errors import BrokerError
from schemas.kafka import explained, producer_properties
from schemas.settings_kafka import KafkaSettings

POLL_S = 0.1


class Sender:
    """Sends messages to topics that are there.

    A full queue slows down whoever sends. What waits in it is bounded by librdkafka: 100,000
    messages, and ``schemas.kafka.QUEUED_KBYTES``.

    Parameters
    ----------
    rate
        Messages a second; 0 sends as fast as the brokers take them.
    check
        Called before each message, and while it waits for its turn or for room: it may raise.
    clock
        In seconds.

    Attributes
    ----------
    sent
        Messages by topic, acknowledged or not.
    acknowledged
        How many of them the brokers have confirmed.

    Raises
    ------
    BrokerError
        The brokers do not answer, or refuse us.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        rate: float = 0.0,
        check: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kafka, self._rate = kafka, rate
        self._check, self._clock = check, clock
        self._topics = set(Admin(kafka).metadata().topics)
        self._producer: Producer = opened(Producer, producer_properties(kafka), kafka)
        self._failure: BrokerError | None = None
        self._began_s: float | None = None
        self.sent: Counter[str] = Counter()
        self.acknowledged = 0

    def send(self, topic: str, key: str, value: bytes) -> None:
        """Send a message, when its time has come and there is room for it.

        Raises
        ------
        BrokerError
            There is no such topic; or an earlier message, or this one, was refused, or not
            acknowledged in time.
        """
        if topic not in self._topics:
            unknown = explained(
                "UNKNOWN_TOPIC_OR_PART", "", brokers=self._kafka.brokers, topic=topic
            )
            raise BrokerError(unknown)
        self._wait_for_turn()
        while not self._takes(topic, key, value):
            self._check()
            self._poll(POLL_S)
        self.sent[topic] += 1

    def _takes(self, topic: str, key: str, value: bytes) -> bool:
        try:
            self._producer.produce(topic, value, key, on_delivery=self._on_delivery)
        except BufferError:
            return False
        return True

    def _wait_for_turn(self) -> None:
        self._check()
        self._poll(0)
        if self._began_s is None:
            self._began_s = self._clock()
        if self._rate:
            due_s = self._began_s + self.sent.total() / self._rate
            while (left_s := due_s - self._clock()) > 0:
                self._check()
                self._poll(min(left_s, POLL_S))

    def _poll(self, wait_s: float) -> None:
        self._producer.poll(wait_s)
        if self._failure is not None:
            raise self._failure

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.acknowledged += 1
        elif self._failure is None:
            self._failure = error_of(error, self._kafka, message.topic() or "")

    def flush(self) -> None:
        """Return when all that was sent is acknowledged.

        Raises
        ------
        BrokerError
            Something was refused, or not acknowledged in time.
        """
        while self._producer.flush(POLL_S):
            self._poll(0)
        self._poll(0)

    def close(self) -> None:
        """Forget what is not acknowledged."""
        self._producer.purge()
        self._producer.flush(POLL_S)
