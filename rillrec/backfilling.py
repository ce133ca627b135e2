"""Building a model and its users from the retained log, beside those that are in service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from flows.cluster import Cluster
from flows.lease import Lease
from flows.outlets import Outlets
from flows.wiring import Wired, lease_of, source_of, wired
from rillrec.backfill_plan import Plan, Plans
from rillrec.engine import run_flow
from rillrec.learning import check_model
from rillrec.rebuilding import rebuilt
from rillrec.stores import store_at
from schemas.settings import Settings
from serving.store import RedisStore
from serving.store.alias import Alias
from serving.store.wire import Wire

if TYPE_CHECKING:
    from flows.sources.event_source import EventSource

LEVEL_S = 10.0
"""A pass over what had come meanwhile that takes no longer than this leaves no more than this."""


class Backfill:
    """Reads a log up to its end, again and again, until what comes meanwhile is little.

    Each pass begins where the one before has ended, in this process or in one that was killed.

    Parameters
    ----------
    settings
        Of the model that is built: its own name, and the time from which it is built.
    name
        What it is to be served as.
    wire
        The Redis that holds the models, at ``url``.
    outlets
        Where incidents go.
    level_s
        How long the last pass may take, in seconds.

    Raises
    ------
    StoreError, SettingsError
        The model is there, and is not what this backfill has begun.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        name: str,
        url: str,
        wire: Wire,
        outlets: Outlets,
        workers: int = 1,
        level_s: float = LEVEL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings, self.into = settings, settings.model.name
        self.incidents, self._outlets = outlets.incidents, outlets
        self.alias = Alias(wire, name)
        self.store: RedisStore = store_at(url, settings)
        self._url, self._wire, self._cluster = url, wire, Cluster(workers=workers)
        self._level_s, self._clock = level_s, clock
        self.ended_early = False
        plan = Plan(name=name, since=settings.kafka.start)
        self.goes_on = Plans(wire, self.into).claim(plan, self.store)
        self.alias.add(self.into)
        check_model(settings, self.store)

    def parts(self) -> list[tuple[str, int]]:
        """Return the topics and partitions that are read."""
        with closing(self._source()) as source:
            return list(source.parts)

    def run(self) -> int:
        """Read until the model is level with the log; return the exit code.

        ``ended_early`` tells whether a signal came before that.
        """
        self._adopt_erasures()
        with self._leased() as lease:
            while True:
                began_s = self._clock()
                code = rebuilt(
                    lambda: self._pass(lease), cluster=self._cluster, incidents=self.incidents
                )
                if self.ended_early or self._clock() - began_s <= self._level_s:
                    return code

    def _pass(self, lease: Lease) -> int:
        made: Wired = wired(
            self.settings, self.store, source=self._source(), lease=lease, outlets=self._outlets,
            timely=False,
        )  # fmt: skip
        with closing(made.source):
            code = run_flow(made.flow, made.source, cluster=self._cluster, failures=made.failures)
            self.ended_early = made.source.asked_to_end
        return code

    def _source(self) -> EventSource:
        return source_of(self.settings, self.store, incidents=self.incidents, follow=False)

    @contextmanager
    def _leased(self) -> Iterator[Lease]:
        lease = lease_of(self.store, self.incidents)
        lease.hold()
        try:
            yield lease
        finally:
            lease.release()

    def _adopt_erasures(self) -> None:
        """Keep out who was forgotten, whatever the log still says of them."""
        served = store_at(self._url, self.settings, model=self.alias.serves())
        with closing(served):
            self.store.adopt_erasures(served)

    def close(self) -> None:
        """Let go of connections."""
        self.store.close()
