"""Step 6: what was learnt is appended to the model's log."""

from __future__ import annotations

import logging

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.patience import patiently
from flows.tally import Tally
from schemas.errors import StoreError
from schemas.model_log import Publish, is_base
from schemas.positions import mark_of
from serving.store import Store
from serving.store.protocol import EVENTS_TOPIC

TRIMMED_EVERY = 20
_log = logging.getLogger(__name__)


class PublishSink(DynamicSink[tuple[str, Publish]]):
    """Stores publishes in order, each before the next is looked at: nothing is ever buffered.

    Parameters
    ----------
    trims_events
        Whether the embedded event log is trimmed behind the low-water marks, every 20 publishes.
    """

    def __init__(self, store: Store, *, tally: Tally, trims_events: bool = False) -> None:
        self._store, self._tally, self._trims_events = store, tally, trims_events

    def build(self, step_id: str, worker_index: int, worker_count: int) -> PublishPartition:
        return PublishPartition(self._store, self._tally, self._trims_events)


class PublishPartition(StatelessSinkPartition[tuple[str, Publish]]):
    """One worker's part of the sink; only the worker that learns has something to publish."""

    def __init__(self, store: Store, tally: Tally, trims_events: bool) -> None:
        self._store, self._tally, self._trims_events = store, tally, trims_events

    def write_batch(self, items: list[tuple[str, Publish]]) -> None:
        """Store publishes.

        Raises
        ------
        StoreError
            Another flow publishes to the same model, or the store lost what it had acknowledged.
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
        def attempt(again: bool) -> None:
            if not (again and self._holds(publish)):
                self._store.append(publish)

        patiently(attempt)
        version = publish.progress.version
        self._tally.published("log", version)
        if self._trims_events and version % TRIMMED_EVERY == 0:
            until = mark_of(publish.progress.marks, EVENTS_TOPIC, 0)
            patiently(lambda _again: self._store.trim_events(until))

    def _holds(self, publish: Publish) -> bool:
        """Return whether an append whose reply was lost was carried out."""
        version, wanted = self._store.version(), publish.progress.version
        if version < wanted - 1:
            raise StoreError(
                f"the store is back, but the model's log ends at version {version} and not at "
                f"{wanted - 1}: it lost writes. Start the flow again: it goes on from what the "
                "store holds"
            )
        kept = self._store.read_log(wanted - 1, count=1)
        return bool(kept) and kept[0] == publish
