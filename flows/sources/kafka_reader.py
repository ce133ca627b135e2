"""One worker's consumer: read in batches for all of its partitions, and dealt out to them."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import cast

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from flows.kafka_client import broker_error, client_of
from flows.sources.kafka_alignment import horizon_ms
from flows.sources.kafka_inbox import Fetched, Inbox
from flows.sources.kafka_reports import Reports
from flows.sources.kafka_start import start_of
from flows.sources.kafka_topics import Topics
from flows.sources.kafka_watch import BrokerWatch
from schemas.kafka import is_away
from schemas.settings_kafka import KafkaSettings

_ANSWER_S = 1.0
_LEAVE_S = 15.0
_log = logging.getLogger(__name__)
_HELD_BATCHES = 4  # then it is paused, which has librdkafka fetch again what it has fetched ahead
_HORIZON_S = 0.002  # finding it out takes a look at each partition
_IDLE_S = (0.001, 0.002, 0.005)  # then every 5 ms
_ADVISED = {
    # librdkafka waits so long before it fetches on once 100,000 messages lie in its own queue,
    # which a fast flow has read by then: by default a whole second.
    "fetch.queue.backoff.ms": 10,
    # No group is ever joined, but closing waits so long for a commit that nobody answers.
    "session.timeout.ms": 6_000,
    "heartbeat.interval.ms": 2_000,
}
_OWN: dict[str, object] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
}


class Reader:
    """Reads for the partitions of one worker, all on that worker's thread.

    What waits in memory is bounded: in the partitions' inboxes by two batches, and by five for each
    that must wait for older messages of others (see ``kafka_alignment``), in librdkafka by its
    ``queued.max.messages.kbytes``, 64 MB unless the settings say otherwise.

    Parameters
    ----------
    group
        Consumer group that offsets are committed to. It is never joined.
    batch_size
        The most messages that are taken from librdkafka at once.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        group: str,
        batch_size: int,
        topics: Topics,
        watch: BrokerWatch,
        reports: Reports,
    ) -> None:
        self._kafka, self._batch_size = kafka, batch_size
        self._topics, self._watch, self._reports = topics, watch, reports
        own = {**_OWN, "group.id": group, "on_commit": reports.committed}
        self._consumer = client_of(
            Consumer, kafka, on_error=watch.suspect, own=own, advised=_ADVISED
        )
        self._inboxes: dict[tuple[str, int], Inbox] = {}
        self._opened: set[tuple[str, int]] = set()
        self._paused: set[tuple[str, int]] = set()
        self._idle, self._quiet_until_s = 0, 0.0
        self._horizon_ms, self._horizon_until_s = 0.0, 0.0

    def open(self, topic: str, partition: int, offset: int, *, until: int | None) -> Inbox:
        """Begin to read a partition, into its own inbox."""
        inbox = Inbox(topic, partition, offset, until=until, heard_s=time.monotonic())
        self._inboxes[topic, partition] = inbox
        self._opened.add((topic, partition))
        self._consumer.incremental_assign([TopicPartition(topic, partition, offset)])
        return inbox

    def leave(self, inbox: Inbox) -> None:
        """Read a partition no more."""
        place = (inbox.topic, inbox.partition)
        self._paused.discard(place)
        if self._inboxes.pop(place, None) is not None:
            self._reports.lag(self._consumer, inbox)
            self._consumer.incremental_unassign([TopicPartition(*place)])

    def tend(self) -> None:
        """Do what is to be done now and then beside reading; waits for nothing."""
        self._watch()
        self._reports.tend(self._consumer, self._inboxes.values())

    def poll(self) -> None:
        """Deal out what has come, if not enough waits already. Does not wait for more.

        Raises
        ------
        BrokerError
            A topic is gone, or may not be read.
        SourceError
            What is next in a partition was deleted, or is not there.
        """
        if time.monotonic() < self._quiet_until_s:
            return
        if self._holds_enough():
            return
        try:
            messages = cast("list[Fetched]", self._consumer.consume(self._batch_size, 0))
        except KafkaException as error:
            raise broker_error(error.args[0], self._kafka) from None
        self._horizon_until_s = 0.0
        if self._dealt(messages):
            self._idle = 0
            return
        pause_s = _IDLE_S[min(self._idle, len(_IDLE_S) - 1)]
        self._idle, self._quiet_until_s = self._idle + 1, time.monotonic() + pause_s

    def horizon_ms(self) -> float:
        """Return up to when messages may be handed on, as it was at most 2 ms ago."""
        now_s = time.monotonic()
        if now_s >= self._horizon_until_s:
            self._horizon_ms = horizon_ms(self._inboxes.values(), self._is_level, now_s=now_s)
            self._horizon_until_s = now_s + _HORIZON_S
        return self._horizon_ms

    def _is_level(self, inbox: Inbox) -> bool:
        latest = self._reports.latest(self._consumer, inbox)
        return latest is not None and inbox.at >= latest

    def _holds_enough(self) -> bool:
        """Return whether a batch waits that may be handed on; fetch no more of what may not."""
        horizon, waiting = self.horizon_ms(), 0
        for place, inbox in self._inboxes.items():
            if not inbox.waits_for(horizon):
                waiting += len(inbox.messages)
                self._pause(place, paused=False)
            elif len(inbox.messages) >= _HELD_BATCHES * self._batch_size:
                self._pause(place, paused=True)
        return waiting >= self._batch_size

    def _pause(self, place: tuple[str, int], *, paused: bool) -> None:
        if paused == (place in self._paused):
            return
        partition = [TopicPartition(*place)]
        if paused:
            self._paused.add(place)
            self._consumer.pause(partition)
        else:
            self._paused.remove(place)
            self._consumer.resume(partition)

    @property
    def awake_at(self) -> datetime | None:
        """When to look again, ``None`` where that is at once."""
        pause_s = self._quiet_until_s - time.monotonic()
        return datetime.now(UTC) + timedelta(seconds=pause_s) if pause_s > 0 else None

    def _dealt(self, messages: list[Fetched]) -> bool:
        """Put messages where they belong; return whether there were any."""
        topic, partition, inbox, dealt = "", -1, None, False
        for message in messages:
            if message.partition() != partition or message.topic() != topic:
                topic, partition = message.topic(), message.partition()
                inbox = self._inboxes.get((topic, partition))
                if inbox is not None:
                    inbox.heard_s = time.monotonic()
            error = message.error()
            if error is not None:
                self._heed(error, message, inbox)
            elif inbox is not None:
                inbox.messages.append(message)
                dealt = True
        return dealt

    def _heed(self, error: KafkaError, message: Fetched, inbox: Inbox | None) -> None:
        name, topic = error.name(), message.topic()
        if name in ("_PARTITION_EOF", "_AUTO_OFFSET_RESET"):
            if inbox is not None:  # else it has been left since
                offset = message.offset()
                self._ends(inbox, offset) if name == "_PARTITION_EOF" else self._gone(inbox, offset)
        elif is_away(name) or error.retriable() or not topic:
            self._watch.suspect(error)
        else:
            raise broker_error(error, self._kafka, topic=topic)

    def _ends(self, inbox: Inbox, offset: int) -> None:
        inbox.ends_at = offset

    def _gone(self, inbox: Inbox, wanted: int) -> None:
        topic, partition = inbox.topic, inbox.partition
        [bounds] = self._topics.bounds([(topic, partition)]).values()
        name, brokers = f"{topic}/{partition}", self._kafka.brokers
        start_of(name, mark=wanted, bounds=bounds, wanted=None, brokers=brokers)
        # A new leader may have lacked for a moment what the old one had.
        place = TopicPartition(topic, partition, wanted)
        self._consumer.incremental_unassign([place])
        self._consumer.incremental_assign([place])

    def close(self) -> None:
        """Commit what is published by now, and leave the brokers: within some seconds."""
        until_s = time.monotonic() + _ANSWER_S
        while self._reports.awaits_answer and time.monotonic() < until_s:
            self._consumer.poll(0.02)
        leaving = threading.Thread(target=self._leave, name="leaves Kafka", daemon=True)
        leaving.start()
        leaving.join(_LEAVE_S)
        if leaving.is_alive():
            # librdkafka may wait for ever for an answer that died with its broker.
            _log.warning(
                "Kafka at %s did not let go within %g s: left as it is",
                self._kafka.brokers,
                _LEAVE_S,
            )

    def _leave(self) -> None:
        self._reports.commit(self._consumer, self._opened, wait=True)
        self._consumer.close()
