"""The dataflow: events in, user states and a model out.

``python -m bytewax.run flows.recommend`` runs it as the settings say (``RILLREC_*`` in the
environment, ``rillrec.toml``): over Kafka's topics, or over the embedded event log.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from flows.dead_letters import DeadLetters
from flows.decode import Decode
from flows.failures import Failures
from flows.held import Held, Lookout
from flows.learn import Learn
from flows.lease import Lease
from flows.persist import Persist
from flows.publish import PublishSink
from flows.sessionise import CACHED_USERS, Sessionise
from flows.shard import Shard
from flows.sources.event_source import EventSource
from flows.sources.log import LogSource
from flows.tally import Tally
from online_models.learner import Learner
from schemas.settings_loading import load_settings
from schemas.user_state import StreamRules
from serving.store import Store


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
    watch: Callable[[], None] = lambda: None,
    dead_letters: DeadLetters | None = None,
    forget_elsewhere: Callable[[str, Sequence[str]], None] = lambda _shard, _users: None,
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
    watch
        Called while reading; raises ``FlowOutdated`` where the flow is to be built anew.
    forget_elsewhere
        Forgets users of a shard in other models too.
    micro_batch_wait_ms
        See ``Learn``: ``None`` makes what is learnt independent of timing.
    cached_users
        Users whose states a worker keeps in memory. More costs memory, fewer cost reads.
    failures
        Keeps the first error of the steps, for whoever runs the flow on several workers.
    """
    tally, failures, held = tally or Tally(), failures or Failures(), Held()
    lookout = Lookout(held, store, now_ms=now_ms)

    def look() -> None:
        watch()
        lookout()

    source.resume_from(store, lease, watch=look)
    decode = Decode(source.decoder, tally=tally, now_ms=now_ms)
    persist = Persist(
        store,
        key=model_name,
        tally=tally,
        dead_letters=dead_letters,
        forget_elsewhere=forget_elsewhere,
    )
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


def __getattr__(name: str) -> Dataflow:
    # Built when the engine asks for it, and not whenever somebody imports ``build_flow``.
    if name == "flow":
        from flows.wiring import flow_of

        return flow_of(load_settings(environ=os.environ))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
