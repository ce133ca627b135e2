"""Step 6: what was learnt is appended to the model's log."""

from __future__ import annotations

import logging
from functools import partial

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.held import Held
from flows.patience import patiently
from flows.tally import Tally
from schemas.model_log import Progress, Publish, is_base
from schemas.positions import mark_of
from serving.store import Store
from serving.store.bases import parts_of
from serving.store.protocol import EVENTS_TOPIC

TRIMMED_EVERY = 20
STAGED_WITHIN = 16
"""Publishes over which a large base is spread: users' states wait while one is stored."""

_log = logging.getLogger(__name__)


class PublishSink(DynamicSink[tuple[str, Publish]]):
    """Stores publishes in order, each before the next is looked at; only bases are spread.

    A base that is due while another is under way is left out, and one that is under way when the
    flow ends: the one before it and the log make up for it.

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
        self._base: _Staged | None = None

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
                if not is_base(publish):
                    self._append(publish)
                elif self._base is None:
                    self._base = _Staged(publish)
                self._stage()

    def _stage(self) -> None:
        """Store a part of the base that is under way, if one is."""
        base = self._base
        if base is None:
            return
        for number in base.next_parts():
            patiently(partial(self._store.stage_base, number, base.parts[number]))
        if base.staged == len(base.parts):
            patiently(partial(self._store.keep_base, base.progress, len(base.parts)))
            self._base = None
            self._tally.published("base", base.progress.version)
            _log.info("kept a base snapshot of version %d", base.progress.version)

    def _append(self, publish: Publish) -> None:
        moved = patiently(lambda: self._held.unrecorded(self._store))

        def attempt() -> None:
            self._held.check(self._store)
            self._store.append(publish, held=moved)

        patiently(attempt)
        self._held.record(moved)
        self._tally.published("log", publish.progress.version)
        self._trim(publish.progress)

    def _trim(self, progress: Progress) -> None:
        below, self._trims_below = self._trims_below, mark_of(progress.marks, EVENTS_TOPIC, 0)
        if self._trims_events and below and progress.version % TRIMMED_EVERY == 0:
            patiently(lambda: self._store.trim_events(below, at=progress))


class _Staged:
    """A base under way: so much of it at a time that it takes a few seconds of publishes."""

    def __init__(self, base: Publish) -> None:
        self.progress, self.parts = base.progress, list(parts_of(base))
        self.staged = 0

    def next_parts(self) -> range:
        begin = self.staged
        at_once = 1 + len(self.parts) // STAGED_WITHIN
        self.staged = min(len(self.parts), begin + at_once)
        return range(begin, self.staged)
