"""What people have to know of a flow: told in the log, counted, and sent to whoever listens."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from flows.tally import Tally
from schemas.metrics import INCIDENTS, WAITING

LONG_S = 10.0
"""How long something may be away before that is an incident."""

KINDS = INCIDENTS.labels["kind"]
_NAMES = {"store": "the store", "broker": "Kafka", "dead_letters": "the dead letters' topic"}
_log = logging.getLogger(__name__)


class Incident(Struct, frozen=True):
    """Something that happened to a flow, and the values that belong to it."""

    kind: str
    message: str
    time_ms: int
    fields: dict[str, str | int | float] = {}


class Listener(Protocol):
    """Is handed each incident; never waits, never raises."""

    def __call__(self, incident: Incident) -> None: ...


class Incidents:
    """Tells incidents, and whom the flow waits for. Threads may share it.

    Parameters
    ----------
    listener
        A topic, say: ``flows.kafka_incidents``.
    now_ms, clock
        The time of an incident, and the seconds by which waits are measured.

    Examples
    --------
    >>> incidents = Incidents(Tally())
    >>> incidents.note("partitions_changed", "items has 8 partitions now", topic="items")
    >>> incidents.tally.incidents["partitions_changed"]
    1
    """

    def __init__(
        self,
        tally: Tally,
        *,
        listener: Listener = lambda _incident: None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tally, self._listener = tally, listener
        self._now_ms, self._clock = now_ms, clock
        self._lock = threading.Lock()
        self._away: dict[str, float] = {}
        self._long: set[str] = set()

    def note(self, kind: str, message: str, **fields: str | int | float) -> None:
        """Tell an incident: its kind is one of ``KINDS``."""
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of incident, use one of {', '.join(KINDS)}")
        self.tally.incident(kind)
        _log.warning("%s: %s", kind, message)
        self._listener(Incident(kind, message, self._now_ms(), fields))

    def away(self, whom: str, why: str, *, logged: bool = False) -> None:
        """Tell that ``store``, ``broker`` or ``dead_letters`` does not answer; repeat it meanwhile.

        It is logged once, unless somebody else has ``logged`` it, and is an incident once it has
        taken longer than 10 s.
        """
        assert whom in WAITING.labels["whom"]
        now_s = self._clock()
        with self._lock:
            came = whom not in self._away
            waited_s = now_s - self._away.setdefault(whom, now_s)
            long = waited_s > LONG_S and whom not in self._long
            if long:
                self._long.add(whom)
        if came:
            self.tally.waits_for(whom)
        if came and not logged:
            _log.warning("waiting for %s: %s", _NAMES[whom], why)
        if long:
            kind = "store_away" if whom == "store" else "broker_away"
            self.note(kind, f"no answer for {waited_s:.0f} s: {why}", whom=whom)

    def back(self, whom: str, *, logged: bool = False) -> None:
        """Tell that it answers again; nothing happens where it was not away."""
        with self._lock:
            since_s = self._away.pop(whom, None)
            self._long.discard(whom)
        if since_s is None:
            return
        self.tally.waits_no_more(whom)
        if not logged:
            _log.warning("%s answers again, after %.1f s", _NAMES[whom], self._clock() - since_s)

    def is_away(self, whom: str) -> bool:
        """Return whether it was told to be away, and not to be back."""
        return whom in self._away
