"""The dataflow: events in, user states and a model out.

``python -m bytewax.run flows.recommend`` runs it over the embedded event log, as the settings say
(``RILLREC_*`` in the environment, ``rillrec.toml``).
"""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from flows.dead_letters import DeadLetterFile
from flows.decode import Decode
from flows.failures import Failures
from flows.held import Held
from flows.learn import Learn, learner_of
from flows.lease import Lease, this_process
from flows.persist import Persist
from flows.publish import PublishSink
from flows.sessionise import CACHED_USERS, Sessionise
from flows.shard import Shard
from flows.sources.event_source import EventSource
from flows.sources.log import LogSource
from flows.tally import Tally
from online_models.learner import Learner
from schemas.errors import StoreUnavailable
from schemas.settings import Settings
from schemas.settings_loading import load_settings
from schemas.user_state import StreamRules
from serving.store import RedisStore, Store
from serving.store.embedded import EmbeddedRedis


def wall_ms() -> int:
    """Return the time of this machine's clock."""
    return time.time_ns() // 1_000_000


def build_flow(
    source: EventSource,
    store: Store,
    open_learner: Callable[[], Learner],
    *,
    rules: StreamRules,
    model_name: str = "default",
    tally: Tally | None = None,
    lease: Lease | None = None,
    dead_letters: DeadLetterFile | None = None,
    micro_batch_wait_ms: int | None = 50,
    cached_users: int = CACHED_USERS,
    now_ms: Callable[[], int] = wall_ms,
    failures: Failures | None = None,
) -> Dataflow:
    """Return the flow from a source into a store.

    Parameters
    ----------
    open_learner
        Called once, on the worker that learns, when the first events reach it.
    rules
        What makes a session, what repeats, what counts how much.
    tally
        What is counted and timed, for reports and metrics.
    lease
        Held while reading; without it, nothing keeps a second flow from the same model.
    micro_batch_wait_ms
        See ``Learn``: ``None`` makes what is learnt independent of timing.
    cached_users
        Users whose states a worker keeps in memory. More costs memory, fewer cost reads.
    failures
        Keeps the first error of the steps, for whoever runs the flow on several workers.
    """
    tally, failures, held = tally or Tally(), failures or Failures(), Held()
    source.resume_from(store, lease)
    decode = Decode(source.decoder, tally=tally, now_ms=now_ms)
    persist = Persist(store, key=model_name, tally=tally, dead_letters=dead_letters)
    trims = isinstance(source, LogSource)
    sink = PublishSink(store, tally=tally, held=held, trims_events=trims)

    def sessionise(_resumed: None) -> Sessionise:
        return Sessionise(store, rules, tally=tally, cached_users=cached_users)

    def learn(_resumed: None) -> Learn:
        return Learn(
            open_learner(),
            tally=tally,
            now_ms=now_ms,
            micro_batch_wait_ms=micro_batch_wait_ms,
            held=held,
        )

    flow = Dataflow("recommend")
    batches = op.input("read", flow, source)
    decoded = op.flat_map_batch("decode", batches, failures.step(decode))
    pieces = op.flat_map_batch("shard", decoded, failures.step(Shard(tally=tally)))
    settled = op.stateful_batch("sessionise", pieces, failures.logic(sessionise))
    lessons = op.flat_map_batch("persist", settled, failures.step(persist))
    publishes = op.stateful_batch("learn", lessons, failures.logic(learn))
    op.output("publish", publishes, failures.sink(sink))
    return flow


class LogFlow(NamedTuple):
    """A flow over the event log, with what it takes to end it in order."""

    flow: Dataflow
    source: LogSource
    lease: Lease


def log_flow(settings: Settings, store: Store, *, tally: Tally | None = None) -> LogFlow:
    """Return the flow over a store's event log, as the settings say."""
    source = LogSource(store, batch_size=settings.flow.batch_size)
    lease = Lease(store, owner=this_process(), now_ms=wall_ms)
    open_learner = partial(
        learner_of,
        store,
        config=settings.shapes(),
        publish_interval_ms=settings.flow.publish_interval_ms,
    )
    flow = build_flow(
        source,
        store,
        open_learner,
        rules=settings.stream.rules(),
        model_name=settings.model.name,
        tally=tally,
        lease=lease,
        micro_batch_wait_ms=settings.flow.micro_batch_wait_ms,
    )
    return LogFlow(flow, source, lease)


def flow_of(settings: Settings, *, tally: Tally | None = None) -> Dataflow:
    """Return the flow over the embedded event log that the settings describe.

    Where they name no Redis, the one in the data directory is used, and started if need be: it
    ends with this process.

    Raises
    ------
    StoreError
        The embedded Redis does not start.
    """
    return log_flow(settings, _store_of(settings), tally=tally).flow


def _store_of(settings: Settings) -> RedisStore:
    url, embedded = settings.store.redis_url.get_secret_value(), None
    if not url:
        embedded = EmbeddedRedis(settings.store.data_dir / "redis")
        url = embedded.url
    store = RedisStore(url, name=settings.model.name, user_ttl_s=settings.store.user_ttl_s)
    if embedded is not None:
        try:
            store.version()
        except StoreUnavailable:
            embedded.start()
            atexit.register(embedded.stop)
    return store


def __getattr__(name: str) -> Dataflow:
    # Built when the engine asks for it, and not whenever somebody imports ``build_flow``.
    if name == "flow":
        return flow_of(load_settings(environ=os.environ))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
