"""Events into a topic: the producer of the benches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from confluent_kafka import KafkaError, Message, Producer

from rillrec.bench.prepared import Keyed
from schemas.errors import BrokerUnavailable
from schemas.kafka import client_properties
from schemas.settings_kafka import KafkaSettings

TIMEOUT_S = 30.0
_CHECKED_EVERY = 256


class Feed:
    """Produces events, keyed by user.

    Parameters
    ----------
    rate
        Events a second; 0 sends as fast as the broker takes them.
    tell
        Is told how many have been sent, every 256 events.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        rate: float = 0.0,
        tell: Callable[[int], None] = lambda _sent: None,
    ) -> None:
        self._topic, self._rate, self._tell = kafka.interactions_topic, rate, tell
        self._failures: list[KafkaError] = []
        self._producer = Producer(client_properties(kafka, {"linger.ms": 5}))

    def send(self, events: Iterable[Keyed]) -> int:
        """Send events and wait until all are acknowledged; return how many there were.

        Raises
        ------
        BrokerUnavailable
            The broker refused some, or did not answer.
        """
        sent, begin_s = 0, time.perf_counter()
        for user_id, payload in events:
            self._produce(user_id, payload)
            sent += 1
            if sent % _CHECKED_EVERY == 0:
                self._tell(sent)
                self._keep_pace(sent, begin_s)
        left = self._producer.flush(TIMEOUT_S)
        if left or self._failures:
            why = self._failures[0].str() if self._failures else f"no answer in {TIMEOUT_S:g} s"
            raise BrokerUnavailable(
                f"{left + len(self._failures)} of {sent} events did not reach the topic "
                f"{self._topic!r}: {why}"
            )
        self._tell(sent)
        return sent

    def _keep_pace(self, sent: int, begin_s: float) -> None:
        self._producer.poll(0)
        if self._rate:
            ahead_s = sent / self._rate - (time.perf_counter() - begin_s)
            if ahead_s > 0:
                self._producer.poll(0)
                time.sleep(ahead_s)

    def _produce(self, key: str, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=self._delivered)
                return
            except BufferError:  # the queue is full: let it empty
                self._producer.poll(0.1)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failures.append(error)
