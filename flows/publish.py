"""Step 6: what was learnt is appended to the model's log."""

from __future__ import annotations

import logging

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.held import Held
from flows.patience import patiently
from flows.tally import Tally
from schemas.model_log import Progress, Publish, is_base
from schemas.positions import mark_of
from serving.store import Store
from serving.store.protocol import EVENTS_TOPIC

TRIMMED_EVERY = 20
_log = logging.getLogger(__name__)


class PublishSink(DynamicSink[tuple[str, Publish]]):
    """Stores publishes in order, each before the next is looked at: nothing is ever buffered.

    Parameters
    ----------
    held
        What this flow has seen the shards hold: looked at before a publish, recorded with it.
    trims_events
        Whether the embedded event log is trimmed, every 20 publishes, behind the marks of the
        publish before.
    """

    def __init__(
        self,
        store: Store,
        *,
        tally: Tally,
        held: Held | None = None,
        trims_events: bool = False,
    ) -> None:
        self._store, self._tally, self._held = store, tally, held or Held()
        self._trims_events = trims_events

    def build(self, step_id: str, worker_index: int, worker_count: int) -> PublishPartition:
        return PublishPartition(self._store, self._tally, self._held, self._trims_events)


class PublishPartition(StatelessSinkPartition[tuple[str, Publish]]):
    """One worker's part of the sink; only the worker that learns has something to publish."""

    def __init__(self, store: Store, tally: Tally, held: Held, trims_events: bool) -> None:
        self._store, self._tally, self._held = store, tally, held
        self._trims_events, self._trims_below = trims_events, 0

    def write_batch(self, items: list[tuple[str, Publish]]) -> None:
        """Store publishes.

        Raises
        ------
        StoreRolledBack
            The store has lost what it had acknowledged.
        StoreError
            Another flow publishes to the same model.
        """
        with self._tally.timed("publish"):
            for _, publish in items:
                if is_base(publish):
                    self._keep(publish)
                else:
                    self._append(publish)

    def _keep(self, base: Publish) -> None:
        patiently(lambda _again: self._store.put_base(base))
        self._tally.published("base", base.progress.version)
        _log.info("kept a base snapshot of version %d", base.progress.version)

    def _append(self, publish: Publish) -> None:
        moved = patiently(lambda _again: self._held.unrecorded(self._store))

        def attempt(_again: bool) -> None:
            self._held.check(self._store)
            self._store.append(publish, held=moved)

        patiently(attempt)
        self._held.record(moved)
        self._tally.published("log", publish.progress.version)
        self._trim(publish.progress)

    def _trim(self, progress: Progress) -> None:
        below, self._trims_below = self._trims_below, mark_of(progress.marks, EVENTS_TOPIC, 0)
        if self._trims_events and below and progress.version % TRIMMED_EVERY == 0:
            patiently(lambda _again: self._store.trim_events(below, at=progress))
