"""Why events are not stored in Kafka, as those are told who sent them."""

from __future__ import annotations

from confluent_kafka import KafkaError

from schemas.errors import BrokerError, BrokerUnavailable, QueueFull, RequestRefused
from schemas.kafka import explained, is_away
from serving.kafka_delivery import Delivery

_SAYING_LITTLE = ("_MSG_TIMED_OUT", "_PURGE_QUEUE", "_PURGE_INFLIGHT", "_FATAL")


class Failures:
    """Words for what may happen to the events of a call, and the errors that carry them.

    Parameters
    ----------
    brokers
        As they are set.
    """

    def __init__(self, brokers: str) -> None:
        self._brokers = brokers

    def refused(
        self, delivery: Delivery, error: KafkaError, topic: str, trouble: KafkaError | None
    ) -> BrokerError:
        """Return what to say of an event that was given up.

        Parameters
        ----------
        trouble
            What librdkafka told of last: it explains errors that say no more than that it is over.
        """
        if error.name() in _SAYING_LITTLE and trouble is not None:
            error = trouble
        return self.in_words(error, topic, _stored(delivery))

    def too_large(
        self, delivery: Delivery, place: int, topic: str, size_bytes: int
    ) -> RequestRefused:
        """Return what to say of an event that a broker finds too large."""
        more = f"; {_stored(delivery)}" if len(delivery.outcomes) > 1 else ""
        return RequestRefused(
            f"`events[{place}]` takes {size_bytes:,} bytes as JSON, and topic {topic!r} takes no "
            f"record as large: make it smaller, or raise the topic's max.message.bytes{more}"
        )

    def full(
        self, delivery: Delivery, queued: int, limit_s: float, trouble: KafkaError | None
    ) -> QueueFull:
        """Return what to say where there was no room for all events."""
        why = f" ({trouble.str()})" if trouble else ""
        return QueueFull(
            f"{queued:,} events wait for Kafka at {self._brokers} already{why}: there was no room "
            f"for more within {limit_s:.3g} s; {_stored(delivery)}"
        )

    def overdue(
        self, delivery: Delivery, limit_s: float, topic: str, trouble: KafkaError | None
    ) -> BrokerError:
        """Return what to say when the time is over. What was sent may still arrive."""
        if trouble is not None:
            return self.in_words(trouble, topic, _stored(delivery))
        return BrokerUnavailable(
            f"Kafka at {self._brokers} has not acknowledged all events within {limit_s:.3g} s; "
            f"{_stored(delivery)}"
        )

    def in_words(self, error: KafkaError, topic: str, more: str = "") -> BrokerError:
        """Return an error of librdkafka as one of ours."""
        words = explained(error.name(), error.str(), brokers=self._brokers, topic=topic)
        kind = BrokerUnavailable if is_away(error.name()) else BrokerError
        return kind(f"{words}; {more}" if more else words)


def _stored(delivery: Delivery) -> str:
    """Return how many events of a call are stored, and what to do."""
    count = len(delivery.outcomes)
    if count == 1:
        return "it may be stored all the same: send it again, with the same id it counts once"
    return (
        f"{delivery.stored} of {count} events are known to be stored: send all of them again, "
        "with the same ids they count once"
    )
