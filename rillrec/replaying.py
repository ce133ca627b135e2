"""A replay: the flow's own steps over a file, each event predicted before it is learnt."""

from __future__ import annotations

import time
from typing import Any

from msgspec import Struct, structs

from flows.dead_letters import DeadLetterFile
from flows.learn import check_reading, warm_up
from flows.lease import Lease, this_process
from flows.recommend import build_flow, wall_ms
from flows.sources.file import FileSource
from flows.tally import Tally
from online_models.evaluation.ablation import TOLD, Untold, Without
from online_models.evaluation.contenders import DEFAULTS, contenders_of
from online_models.evaluation.herald import Herald
from online_models.evaluation.lagging import Feed, Lagging
from online_models.learner import Learner
from online_models.prequential import Evaluator
from online_models.ranker_lists import RankerLists
from online_models.state import ModelState
from rillrec.engine import run_flow
from rillrec.exits import UNAVAILABLE
from rillrec.intervals import interval_name
from schemas.errors import SourceError, StoreError
from schemas.events import ItemUpdate
from schemas.settings import Settings
from serving.replica import Replica
from serving.store import MemoryStore, Store

PUBLISH_INTERVAL_MS = 1_000


class Protocol(Struct, frozen=True, kw_only=True):
    """How predictions are made and reported.

    None of it changes what is learnt, but ``seed``, ``without`` and ``items``.

    Parameters
    ----------
    top, score_every, warm_up
        See ``Evaluator``.
    compare
        Sources and baselines that rank the same targets, besides those that always do.
    sync_ms
        Intervals of event time by which models lag that rank the same targets. Not with a store.
    without
        A source that nobody listens to, or what no event tells (see ``ablation``); all is heard
        where it is empty.
    items
        The catalogue: see ``Herald``.
    """

    top: int = 20
    score_every: int = 1
    warm_up: float = 0.1
    seed: int = 0
    compare: tuple[str, ...] = ()
    sync_ms: tuple[int, ...] = ()
    without: str = ""
    items: tuple[ItemUpdate, ...] = ()


class Replay:
    """One file, one model, one report.

    Parameters
    ----------
    source
        The file.
    store
        Where user states and the model go; ``None`` keeps them in memory, and drops them.
    protocol
        See there. The stream's rules (unit, repeats) are the settings'.

    Raises
    ------
    StoreError
        The store holds a model of that name, learnt from something else, or a flow or another
        replay that is under way learns it.
    """

    def __init__(
        self,
        source: FileSource,
        settings: Settings,
        *,
        store: Store | None = None,
        protocol: Protocol,
        dead_letters: DeadLetterFile | None = None,
    ) -> None:
        self.source, self.tally = source, Tally()
        self._store: Store = MemoryStore() if store is None else store
        self._lease: Lease | None = None
        if store is not None:
            warm_up()  # to compile what learns takes longer than a lease lasts
            self._lease = Lease(store, owner=this_process(), now_ms=wall_ms)
            self._lease.hold()  # before the model is read: nobody else may go on with it
        config = structs.replace(settings.shapes(), seed=protocol.seed)
        replica = Replica(self._store, config=config)
        while replica.refresh():
            pass
        if replica.version:
            check_reading(config, replica.state.config)
        self.starts_at = _row_reached(replica, source)
        self.learner = _learner(
            replica.state, protocol.without, None if store is None else PUBLISH_INTERVAL_MS
        )
        self.evaluator = _evaluator(self.learner, protocol, unit=settings.stream.unit)
        self.learner.observer = self.evaluator
        if protocol.items:
            self.learner.observer = Herald(self.learner, protocol.items, self.evaluator)
        self._flow = build_flow(
            source,
            self._store,
            lambda: self.learner,
            rules=settings.stream.rules(),
            model_name=settings.model.name,
            tally=self.tally,
            lease=self._lease,
            dead_letters=dead_letters,
            micro_batch_wait_ms=None,
        )
        self.seconds = 0.0
        self.failure: SourceError | None = None

    def run(self) -> int:
        """Run to the end of the file, or until a signal; return the exit code.

        A file that breaks off is a ``failure`` to tell once what came before has been reported.
        """
        started_s = time.perf_counter()
        try:
            return run_flow(self._flow, self.source)
        except SourceError as error:
            self.failure = error
            return UNAVAILABLE
        finally:
            self.seconds = time.perf_counter() - started_s
            if self._lease is not None:
                self._lease.release()

    def keep_base(self) -> None:
        """Store a base snapshot, so that a scorer has no log to read."""
        if self.learner.state.progress.version:
            self._store.put_base(self.learner.state.snapshot())

    def report(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        tally = self.tally
        return {
            "events": tally.events,
            "filtered": tally.filtered,
            "rejected": tally.rejected,
            "duplicates": tally.duplicates,
            "seconds": round(self.seconds, 2),
            "events_per_s": round(tally.events / self.seconds, 1) if self.seconds else 0.0,
            **self.evaluator.report(),
        }


def _learner(state: ModelState, left_out: str, publish_interval_ms: int | None) -> Learner:
    if left_out in TOLD:
        return Untold(state, left_out)
    if not left_out:
        return Learner(state, publish_interval_ms=publish_interval_ms)
    without = Without(state, left_out)
    lists = RankerLists(without.retriever, without=left_out)
    return Learner(state, without, lists=lists, publish_interval_ms=publish_interval_ms)


def _evaluator(learner: Learner, protocol: Protocol, *, unit: str) -> Evaluator:
    names = () if protocol.without else (*DEFAULTS, *protocol.compare)
    contenders = contenders_of(names, learner.state.items)
    feed = Feed(learner.state, learner.drain)
    contenders += [Lagging(interval_name(ms), ms, feed) for ms in protocol.sync_ms]
    return Evaluator(
        learner.state,
        unit=unit,
        top=protocol.top,
        score_every=protocol.score_every,
        warm_up=protocol.warm_up,
        contenders=contenders,
        seed=protocol.seed,
    )


def _row_reached(replica: Replica, source: FileSource) -> int:
    """Return the row at which a stored model left this file, 0 where nothing is stored."""
    progress = replica.state.progress
    if not progress.version:
        return 0
    if source.topic not in progress.marks:
        raise StoreError(
            f"there is a model of that name already, version {progress.version}, learnt from "
            f"{', '.join(sorted(progress.marks)) or 'nothing'}: choose another name for --into"
        )
    return progress.marks[source.topic].get(0, 0)
