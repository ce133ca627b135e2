"""What lag tools see: offsets in a consumer group, and how far behind each partition is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from flows.incidents import Incidents
from flows.sources.kafka_falling import FallingBehind
from flows.sources.kafka_inbox import Inbox
from schemas.errors import StoreError
from schemas.positions import Marks

_EVERY_S = 1.0
_log = logging.getLogger(__name__)


class Reports:
    """Tells, once a second, where one worker's partitions stand. Nothing is ever read back.

    Parameters
    ----------
    group
        That offsets are committed to.
    marks
        Returns what is learnt and published: that is what is committed.

    Attributes
    ----------
    awaits_answer
        Whether a commit is on its way.
    """

    def __init__(
        self,
        group: str,
        marks: Callable[[], Marks],
        *,
        incidents: Incidents,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._group, self._marks, self._incidents, self._clock = group, marks, incidents, clock
        self._due_s = clock() + _EVERY_S
        self._falling = FallingBehind(incidents, clock=clock)
        self._committed: dict[tuple[str, int], int] = {}
        self._failing, self.awaits_answer = "", False

    def tend(self, consumer: Consumer, inboxes: Collection[Inbox]) -> None:
        """Report, where it is time to; does not wait for the brokers."""
        if self._clock() < self._due_s:
            return
        self._due_s = self._clock() + _EVERY_S
        self._falling.look(sum(self.lag(consumer, inbox) for inbox in inboxes))
        self.commit(consumer, [(inbox.topic, inbox.partition) for inbox in inboxes])

    def lag(self, consumer: Consumer, inbox: Inbox) -> int:
        """Tell how many offsets a partition is behind its end, as far as that is known."""
        latest = self.latest(consumer, inbox)
        if latest is None:
            return 0
        behind = max(0, latest - inbox.at)
        self._incidents.tally.lags_behind(inbox.topic, inbox.partition, behind)
        return behind

    def latest(self, consumer: Consumer, inbox: Inbox) -> int | None:
        """Return where a partition ended when it was last fetched; ``None`` before that."""
        place = TopicPartition(inbox.topic, inbox.partition)
        try:
            _, latest = consumer.get_watermark_offsets(place, cached=True)
        except KafkaException:  # nothing has been fetched of it yet
            return None
        return None if latest == OFFSET_INVALID else int(latest)

    def commit(
        self, consumer: Consumer, places: Iterable[tuple[str, int]], *, wait: bool = False
    ) -> None:
        """Commit the marks of partitions that have moved; ``wait`` for the answer, or not.

        One commit at a time is on its way, and none while the brokers are away.
        """
        if self.awaits_answer or self._incidents.is_away("broker") or (wait and self._failing):
            return
        try:
            marks = self._marks()
        except StoreError:
            return  # whoever needs the store waits for it, and says so
        found = {place: marks.get(place[0], {}).get(place[1]) for place in places}
        moved = {
            place: until
            for place, until in found.items()
            if until is not None and until != self._committed.get(place)
        }
        if not moved:
            return
        offsets = [TopicPartition(*place, until) for place, until in moved.items()]
        self._committed |= moved
        try:
            if wait:
                consumer.commit(offsets=offsets, asynchronous=False)
            else:
                self.awaits_answer = True
                consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self.committed(error.args[0], offsets)

    def committed(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        """Take in what became of a commit."""
        self.awaits_answer = False
        error = error or next((one.error for one in offsets if one.error is not None), None)
        if error is None:
            self._failing = ""
            return
        self._committed.clear()  # all of it again, a second later
        self._incidents.tally.commit_failed()
        if error.name() != self._failing:
            self._failing = error.name()
            _log.warning(
                "offsets can't be committed to the group %r, so lag tools don't see this flow, "
                "which goes on: %s",
                self._group,
                error.str(),
            )
