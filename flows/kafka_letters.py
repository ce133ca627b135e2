"""Refused events in a topic of Kafka: their bytes, and in headers why and whence."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from msgspec import Struct

from flows.incidents import Incidents
from flows.kafka_client import broker_error, client_of
from flows.sources.kafka_topics import Topics
from flows.tally import Tally
from schemas.errors import BrokerError
from schemas.kafka import is_too_large, producer_properties
from schemas.settings_kafka import KafkaSettings
from serving.store import DeadLetter

_POLL_S = 0.1
_SILENT_S = 3.0
_BOUNDED = {"queue.buffering.max.messages": 10_000, "queue.buffering.max.kbytes": 65_536}
_log = logging.getLogger(__name__)


class _Outgoing(Struct, frozen=True):
    """A letter, or the first bytes of one that is too large for its topic."""

    letter: DeadLetter
    payload: bytes

    def headers(self) -> list[tuple[str, str | bytes | None]]:
        letter = self.letter
        headers: list[tuple[str, str | bytes | None]] = [
            ("reason", letter.reason),
            ("message", letter.message),
            ("topic", letter.topic),
            ("partition", str(letter.partition)),
            ("offset", str(letter.offset)),
            ("event_type", letter.event_type),
        ]
        if len(self.payload) < len(letter.payload):
            headers.append(("cut_from_bytes", str(len(letter.payload))))
        return headers


class KafkaLetters:
    """The topic of dead letters. Threads may share it.

    A message's value is the event as it was sent; its headers are ``reason``, ``message``,
    ``topic``, ``partition``, ``offset`` and ``event_type``. Of an event that the topic takes for
    too large the first part that fits is kept, and ``cut_from_bytes`` says how long it was.

    A crash between writing here and storing the batch repeats the batch's letters; topic, partition
    and offset tell them apart. At most 10,000 letters or 64 MB wait for the brokers; then writers
    wait too.

    Parameters
    ----------
    incidents
        Told when the brokers do not answer.

    Raises
    ------
    BrokerError
        There is no such topic, or the brokers refuse or do not answer.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        incidents: Incidents | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kafka, self._topic, self._clock = kafka, kafka.dead_letters_topic, clock
        self._incidents = incidents or Incidents(Tally())
        self._complaint = "they are not acknowledged"
        topics = Topics(kafka)
        topics.wait([self._topic])
        for topic in topics.refused:
            raise BrokerError(topics.refusal(topic))
        # What was taken may not be given up again: a letter waits for the brokers for ever.
        own = producer_properties(kafka, {"delivery.timeout.ms": 0})
        self._producer = client_of(
            Producer, kafka, on_error=self._complain, own=own, advised=_BOUNDED
        )

    def _complain(self, error: KafkaError) -> None:
        self._complaint = error.str()

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Send letters, and return once all are acknowledged, however long that takes.

        Raises
        ------
        BrokerError
            The brokers refuse them: the topic is gone, or may not be written to.
        """
        # A letter may be too large only for being sent with others: alone first, then cut.
        for outgoing in self._send([_Outgoing(one, one.payload) for one in letters]):
            for alone in self._send([outgoing]):
                self._cut(alone.letter)

    def _cut(self, letter: DeadLetter) -> None:
        size = kept = len(letter.payload)
        while kept:
            kept //= 2
            if not self._send([_Outgoing(letter, letter.payload[:kept])]):
                _log.warning(
                    "%s takes no event of %d bytes: of %s/%d@%d the first %d are kept; raise the "
                    "topic's max.message.bytes",
                    self._topic,
                    size,
                    letter.topic,
                    letter.partition,
                    letter.offset,
                    kept,
                )
                return
        raise broker_error(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), self._kafka)

    def _send(self, batch: Sequence[_Outgoing]) -> list[_Outgoing]:
        """Send letters and wait for all of them; return those that are too large."""
        came: dict[int, KafkaError | None] = {}
        began_s = self._clock()
        for number, outgoing in enumerate(batch):
            while not self._is_queued(outgoing, partial(_note, came, number)):
                self._wait(began_s)
        while len(came) < len(batch):  # whoever polls hears of everybody's
            self._wait(began_s)
        self._incidents.back("dead_letters")
        refused = {number: error for number, error in came.items() if error is not None}
        for error in refused.values():
            if not is_too_large(error.name()):
                raise broker_error(error, self._kafka, topic=self._topic)
        return [batch[number] for number in sorted(refused)]

    def _is_queued(
        self, outgoing: _Outgoing, told: Callable[[KafkaError | None, Message | None], None]
    ) -> bool:
        """Hand a letter to librdkafka; return whether it had room."""
        try:
            self._producer.produce(
                self._topic, outgoing.payload, headers=outgoing.headers(), on_delivery=told
            )
        except BufferError:
            return False
        except KafkaException as error:
            told(error.args[0], None)
        return True

    def _wait(self, began_s: float) -> None:
        self._producer.poll(_POLL_S)
        if self._clock() - began_s > _SILENT_S:
            self._incidents.away("dead_letters", self._complaint)

    def close(self) -> None:
        """Let go of the brokers. Nothing waits: ``write`` has waited for it."""
        self._producer.flush(0)

    def __enter__(self) -> KafkaLetters:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _note(
    came: dict[int, KafkaError | None], number: int, error: KafkaError | None, _: Message | None
) -> None:
    came[number] = error
