"""Kafka as the event log: an event is taken once the brokers have acknowledged it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException

from schemas.errors import QueueFull, RequestRefused, RillrecError
from schemas.kafka import event_types, is_too_large, topic_of
from schemas.positions import Position
from serving.event_log import Entry, OnAppend
from serving.kafka_delivery import Delivery
from serving.kafka_failures import Failures
from serving.kafka_sender import Sender

if TYPE_CHECKING:
    from schemas.settings_kafka import KafkaSettings

MOST_WAITING = 1_000
"""Calls that wait for Kafka at once: half of what the scorer takes, so that slates go on."""
_ADVISED: dict[str, object] = {
    "linger.ms": 1,  # an answer waits for it: events of other calls may come along
    "compression.type": "lz4",
    "reconnect.backoff.max.ms": 1_000,
    "topic.metadata.propagation.max.ms": 2_000,
    "log_level": 2,  # what troubles it is told once, by us, and not at every attempt
}
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.05
_VERDICT_S = 2.0  # within which librdkafka tells that a message's own time is over
_PING_S = 1.0
_CLOSE_S = 2.0


class KafkaLog:
    """Sends events to their topics, by user, with acks of all replicas, each at most once.

    Bounds: librdkafka holds 100,000 events and ``schemas.kafka.QUEUED_KBYTES`` that are not
    acknowledged; 1,000 calls wait for them. That brokers are there is not asked for at the start.

    Parameters
    ----------
    on_append
        Told how long a call took, and whether all its events are stored.

    Raises
    ------
    SettingsError
        librdkafka refuses the properties.
    """

    def __init__(
        self, kafka: KafkaSettings, *, on_append: OnAppend = lambda _seconds, _stored: None
    ) -> None:
        self._kafka, self._on_append = kafka, on_append
        self._sender = Sender(kafka, _ADVISED)
        self._failures = Failures(kafka.brokers)
        self._waiting = 0

    @property
    def unacknowledged(self) -> int:
        """Events that are on their way."""
        return len(self._sender)

    async def append(
        self, entries: Sequence[Entry], *, within_s: float | None = None
    ) -> list[Position]:
        started_s, stored = time.perf_counter(), False
        self._check_sizes(entries)
        if self._waiting >= MOST_WAITING:
            raise QueueFull(
                f"{MOST_WAITING:,} calls wait for Kafka at {self._kafka.brokers} already: try "
                "again later"
            )
        self._waiting += 1
        try:
            positions = await self._append(entries, within_s)
            stored = True
            return positions
        finally:
            self._waiting -= 1
            self._on_append(time.perf_counter() - started_s, stored)

    async def has_room(self) -> bool:
        return True  # what can be missed is sent a batch at a time

    async def ping(self) -> None:
        await asyncio.to_thread(self._ask)

    async def close(self) -> None:
        """Send what is queued, for 2 seconds at most, and end."""
        await asyncio.to_thread(self._sender.close, within_s=_CLOSE_S)

    def _check_sizes(self, entries: Iterable[Entry]) -> None:
        """Refuse what librdkafka would, before anything is sent."""
        for place, entry in enumerate(entries):
            size = len(entry.payload) + len(entry.key.encode())
            if size > self._sender.most_bytes:
                raise RequestRefused(
                    f"`events[{place}]` takes {size:,} bytes as JSON, Kafka is sent "
                    f"{self._sender.most_bytes:,} at most: make it smaller, or raise "
                    "message.max.bytes in kafka.properties; no event of this call is stored"
                )

    async def _append(self, entries: Sequence[Entry], within_s: float | None) -> list[Position]:
        if not entries:
            return []
        delivery = Delivery(len(entries))
        topics = [topic_of(self._kafka, entry.event_type) for entry in entries]
        patient_s = self._kafka.delivery_timeout_s + _VERDICT_S
        limit_s = patient_s if within_s is None else within_s
        sent = 0
        try:
            async with asyncio.timeout(limit_s):
                for sent, (topic, entry) in enumerate(zip(topics, entries, strict=True)):
                    await self._send(topic, entry, delivery, sent)
                sent = len(entries)
                await delivery.complete
                await self._send_apart(topics, entries, delivery)
        except TimeoutError:
            raise self._overdue(delivery, topics, sent, limit_s) from None
        return self._positions(delivery, topics, entries)

    async def _send(self, topic: str, entry: Entry, delivery: Delivery, place: int) -> None:
        """Queue an event, as soon as there is room."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                self._sender.send(
                    topic, entry.payload, entry.key or None, partial(delivery.told, place)
                )
                return
            except KafkaException as error:
                delivery.refuse(place, error.args[0])
                return
            except BufferError:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _send_apart(
        self, topics: Sequence[str], entries: Sequence[Entry], delivery: Delivery
    ) -> None:
        """Send once more, one by one, what a broker found too large.

        It refuses whole batches: those that happened to travel with a large event are not at fault.
        """
        for place, outcome in enumerate(delivery.outcomes):
            if isinstance(outcome, KafkaError) and is_too_large(outcome.name()):
                alone = Delivery(1)
                await self._send(topics[place], entries[place], alone, 0)
                await alone.complete
                delivery.outcomes[place] = alone.outcomes[0]

    def _positions(
        self, delivery: Delivery, topics: Sequence[str], entries: Sequence[Entry]
    ) -> list[Position]:
        """Return where all events are stored, or raise what kept the first one from it."""
        positions = []
        for place, outcome in enumerate(delivery.outcomes):
            if isinstance(outcome, KafkaError):
                if is_too_large(outcome.name()):
                    size = len(entries[place].payload)
                    raise self._failures.too_large(delivery, place, topics[place], size)
                raise self._failures.refused(delivery, outcome, topics[place], self._sender.trouble)
            assert outcome is not None
            positions.append(outcome)
        self._sender.well()
        return positions

    def _overdue(
        self, delivery: Delivery, topics: Sequence[str], sent: int, limit_s: float
    ) -> RillrecError:
        trouble = self._sender.trouble
        if sent < len(delivery.outcomes):
            return self._failures.full(delivery, len(self._sender), limit_s, trouble)
        return self._failures.overdue(delivery, limit_s, topics[0], trouble)

    def _ask(self) -> None:
        """Ask for every topic that events go to; without interactions there is no log. Blocks.

        librdkafka looks for a topic that was missing when it is asked for it.
        """
        for topic in event_types(self._kafka):
            try:
                error = self._sender.ask_for(topic, timeout_s=_PING_S)
            except KafkaException as failed:
                told = self._sender.trouble or failed.args[0]
                raise self._failures.in_words(told, topic) from None
            if error is not None and topic == self._kafka.interactions_topic:
                raise self._failures.in_words(error, topic)
        self._sender.well()
