"""Topics of Kafka as a source."""

from __future__ import annotations

import logging
import threading

from flows.decode import decode_json
from flows.incidents import Incidents
from flows.sources.event_source import EventSource
from flows.sources.kafka_bounds import Place
from flows.sources.kafka_partition import KafkaPartition
from flows.sources.kafka_reader import Reader
from flows.sources.kafka_reports import Reports
from flows.sources.kafka_start import Bounds, Start, start_of
from flows.sources.kafka_topics import Topics
from flows.sources.kafka_watch import BrokerWatch
from flows.tally import Tally
from schemas.errors import BrokerError, SourceError
from schemas.kafka import event_types, start_ms
from schemas.positions import Marks
from schemas.settings_kafka import KafkaSettings

_log = logging.getLogger(__name__)


class KafkaSource(EventSource):
    """Reads the topics of events that the settings name; a topic tells the type of its events.

    It reads from where the store's marks stand, whatever is committed to Kafka: that is for lag
    tools alone. Which events of a user lie in which partition does not matter to it.

    Parameters
    ----------
    group
        Consumer group that offsets are committed to.
    batch_size
        The most events of a partition that are read at once.
    follow
        Wait for more, rather than end where the topics ended when their partitions were opened.
    incidents
        Who is told what people have to know, with the tally to count in.

    Raises
    ------
    BrokerUnavailable
        The brokers do not answer within ``kafka.metadata_timeout_s``.
    BrokerError
        They refuse, or have no topic of interactions. Without the other topics it goes on.
    SettingsError
        ``kafka.properties`` has one that librdkafka does not know.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        group: str,
        batch_size: int = 1_000,
        follow: bool = True,
        incidents: Incidents | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, it must be at least 1")
        self.kafka, self.group, self.batch_size, self.follow = kafka, group, batch_size, follow
        self._incidents = incidents or Incidents(Tally())
        self._types = event_types(kafka)
        self._topics = Topics(kafka)
        counts = self._topics.wait(list(self._types))
        self._check_refused()
        self._watch_brokers = BrokerWatch(
            self._topics,
            counts,
            list(self._topics.refused),
            refresh_s=kafka.refresh_partitions_s,
            incidents=self._incidents,
        )
        self._readers: dict[int, Reader] = {}
        self._bounds: dict[Place, Bounds] = {}
        self._at_start: dict[Place, int | None] = {}
        parts = [(topic, number) for topic, count in counts.items() for number in range(count)]
        super().__init__(parts, decode_json)

    def _check_refused(self) -> None:
        for topic in self._topics.refused:
            why = self._topics.refusal(topic)
            if topic == self.kafka.interactions_topic:
                raise BrokerError(why)
            _log.warning("reading no %ss: %s", self._types[topic], why)

    def open_at(self, topic: str, partition: int, start: int | None) -> KafkaPartition:
        # Asked for when the first partition is opened: by then no other flow reads on.
        self._bounds = self._bounds or self._topics.bounds(self.parts)
        reader, bounds = self._reader(), self._bounds[topic, partition]
        begin = self._begin(topic, partition, start, bounds)
        place = f"{topic}/{partition}"
        if begin.deleted:
            text = f"retention has deleted {begin.deleted} offsets of {place} that were never read"
            self._incidents.note(
                "offsets_deleted", text, topic=topic, partition=partition, offsets=begin.deleted
            )
        _log.info("reading %s from offset %d of %d", place, begin.offset, bounds.latest)
        self._incidents.tally.lags_behind(topic, partition, bounds.latest - begin.offset)
        until = None if self.follow else bounds.latest
        return KafkaPartition(
            reader,
            reader.open(topic, partition, begin.offset, until=until),
            self._types[topic],
            batch_size=self.batch_size,
            keep_reading=self.keep_reading,
        )

    def _begin(self, topic: str, partition: int, mark: int | None, bounds: Bounds) -> Start:
        place, wanted = f"{topic}/{partition}", self._wanted(topic, partition, mark, bounds)
        try:
            return start_of(
                place, mark=mark, bounds=bounds, wanted=wanted, brokers=self.kafka.brokers
            )
        except SourceError as error:
            if mark is not None and mark < bounds.earliest:
                self._incidents.note("offsets_deleted", str(error), topic=topic, offset=mark)
            raise

    def _wanted(self, topic: str, partition: int, mark: int | None, bounds: Bounds) -> int | None:
        """Return the offset that ``kafka.start`` stands for, ``None`` where it is to be resumed."""
        start = self.kafka.start
        # The catalogue is rebuilt from its topic, and a partition that has come is read whole.
        whole = self._types[topic] == "item" or bool(self._resume_marks().get(topic))
        if start == "resume" or (mark is None and whole):
            return None
        if start == "earliest":
            return bounds.earliest
        if start == "latest":
            return bounds.latest
        if not self._at_start:
            self._at_start = self._topics.offsets_at(self.parts, start_ms(start))
        offset = self._at_start[topic, partition]
        return bounds.latest if offset is None else offset

    def _reader(self) -> Reader:
        """Return this worker's own: each has a thread of its own."""
        thread = threading.get_ident()
        if thread not in self._readers:
            self._readers[thread] = Reader(
                self.kafka,
                group=self.group,
                batch_size=self.batch_size,
                topics=self._topics,
                watch=self._watch_brokers,
                reports=Reports(self.group, self._published, incidents=self._incidents),
            )
        return self._readers[thread]

    def _published(self) -> Marks:
        return {} if self._store is None else self._store.low_marks()

    def close(self) -> None:
        """Commit what is published by now, and leave the brokers."""
        for thread in list(self._readers):
            self._readers.pop(thread).close()
