"""Looking whether the brokers answer, and whether topics have other partitions than they had."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import KafkaError

from flows.incidents import Incidents
from flows.sources.kafka_topics import Topics
from schemas.errors import BrokerError, FlowOutdated

_LOOKS_EVERY_S = 0.1
_SILENT_S = 1.0
"""How long brokers may leave a question open that was asked because they seemed to be away."""

_GONE_S = 5.0
"""How long a topic that is read may be missing: a broker that starts may not know of it yet."""


class BrokerWatch:
    """Called while reading, by any worker; one of them looks, and none of them ever waits.

    librdkafka finds its way back to brokers by itself, and tells only what breaks. So it is asked:
    as soon as something seems to have broken, until there is an answer again, and every
    ``refresh_s`` for partitions that have come.

    Parameters
    ----------
    counts
        Topic to its number of partitions, as the flow was built for them.
    missing
        Topics that the flow would read too, if they were there.
    """

    def __init__(
        self,
        topics: Topics,
        counts: Mapping[str, int],
        missing: Sequence[str],
        *,
        refresh_s: float,
        incidents: Incidents,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topics, self._counts, self._missing = topics, dict(counts), list(missing)
        self._refresh_s, self._incidents, self._clock = refresh_s, incidents, clock
        self._lock = threading.Lock()
        self._suspicion = ""
        self._asked_s: float | None = None
        self._gone_since_s: float | None = None
        self._look_at_s, self._refresh_at_s = 0.0, clock() + refresh_s

    def suspect(self, error: KafkaError) -> None:
        """Take in what a client complains about."""
        self._suspicion = error.str()

    def __call__(self) -> None:
        """Look, where it is time to.

        Raises
        ------
        FlowOutdated
            There are other partitions than the flow was built for.
        BrokerError
            A topic that is read is gone, or may not be read any more.
        """
        if self._clock() < self._look_at_s or not self._lock.acquire(blocking=False):
            return
        try:
            self._look_at_s = self._clock() + _LOOKS_EVERY_S
            self._look()
        finally:
            self._lock.release()

    def _look(self) -> None:
        now_s = self._clock()
        if self._asked_s is None:
            if self._suspicion or now_s >= self._refresh_at_s:
                self._asked_s = now_s
                self._topics.ask([*self._counts, *self._missing])
            return
        try:
            counts = self._topics.answer()
        except BrokerError as error:
            self._asked_s, self._suspicion = None, str(error)
            self._incidents.away("broker", str(error))
            return
        if counts is None:
            if self._suspicion and now_s - self._asked_s > _SILENT_S:
                self._incidents.away("broker", self._suspicion)
            return
        self._asked_s, self._refresh_at_s = None, now_s + self._refresh_s
        self._suspicion = ""
        self._look_for_gone(now_s)
        self._look_for_leaders()
        self._look_for_new(counts)

    def _look_for_gone(self, now_s: float) -> None:
        gone = [topic for topic in self._counts if topic in self._topics.refused]
        if not gone:
            self._gone_since_s = None
            return
        self._suspicion = self._topics.refusal(gone[0])
        if self._gone_since_s is None:
            self._gone_since_s = now_s
        if now_s - self._gone_since_s > _GONE_S:
            raise BrokerError(self._suspicion)

    def _look_for_leaders(self) -> None:
        if self._topics.leaderless:
            self._suspicion = f"no broker leads {', '.join(self._topics.leaderless)}"
            self._incidents.away("broker", self._suspicion)
        else:
            self._incidents.back("broker")

    def _look_for_new(self, counts: Mapping[str, int]) -> None:
        for topic, count in counts.items():
            known = self._counts.get(topic, 0)
            if count != known:
                text = f"{topic} has {count} partitions, and had {known} when the flow was built"
                self._incidents.note("partitions_changed", text, topic=topic, partitions=count)
                raise FlowOutdated(f"{text}: it is built anew to read all of them")
