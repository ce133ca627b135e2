"""Running a dataflow in this process, and ending it in order."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from flows.cluster import ALONE, Cluster
from flows.failures import Failures
from rillrec.exits import INTERRUPTED, OK
from schemas.errors import FlowOutdated, PeerLost, RillrecError, StoreRolledBack

if TYPE_CHECKING:
    from bytewax.dataflow import Dataflow

    from flows.sources.event_source import EventSource

EPOCH = timedelta(seconds=1)
"""How far workers may be ahead of the one that learns: it bounds what lies between them."""

PEERS_WAIT_S = 15.0
"""How long a process that was ended waits for the others of its flow to end too."""

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MENDED_BY_STARTING = (StoreRolledBack, FlowOutdated, PeerLost)
_POLL_S = 0.02
_LAST_READS_S = 0.5
"""How long the source of a process that failed may still be read, before it is closed."""

_log = logging.getLogger(__name__)


def run_flow(
    flow: Dataflow,
    source: EventSource,
    *,
    cluster: Cluster = ALONE,
    failures: Failures | None = None,
) -> int:
    """Run a flow until its source ends; return the exit code.

    The engine knows no orderly stop. So SIGTERM and Ctrl-C end the source instead: what was read
    goes through all steps, the last micro-batch is trained on, and everything is published. A
    second signal does not wait for that.

    Of several processes each gets a signal of its own. One that gets none goes on, and with it the
    flow: those that have ended wait 15 s for it, and then leave without it, which ends it too.
    After that, and after errors, the engine's threads may still be there: ``leave``.

    Parameters
    ----------
    cluster
        The workers; by default one.
    failures
        That of the flow, where it was built with one.

    Raises
    ------
    PeerLost
        Another process of the cluster has ended.
    RillrecError
        The source can't be read, or a step raised it; without the engine's wrapping.
    """
    from online_models.threads import compute_on_one_thread

    compute_on_one_thread()  # sums in one order: the same seed gives the same model
    failures, ended, failed = failures or Failures(), threading.Event(), threading.Event()

    def end() -> None:
        source.end()
        ended.set()

    def end_early(error: RillrecError) -> None:
        failures.note(error)
        end()

    def fall(error: RillrecError) -> None:
        end_early(error)
        failed.set()

    source.on_failure, failures.on_failure = end_early, fall
    cause: BaseException | None = None
    with _heard(end) as signals:
        try:
            _run(flow, cluster, ended, failed)
        except BaseException as error:
            cause = error
    failure = failures.first if cause is None else _ours(failures.first, cause, cluster)
    if failure is not None and not (signals and isinstance(failure, _MENDED_BY_STARTING)):
        if failure is cause:
            raise failure  # with its own causes
        raise failure from cause
    return INTERRUPTED if signal.SIGINT in signals else OK


def _run(flow: Dataflow, cluster: Cluster, ended: threading.Event, failed: threading.Event) -> None:
    from bytewax.testing import cluster_main, run_main

    run: Any = run_main
    run_all: Any = partial(
        cluster_main,
        flow,
        list(cluster.addresses) if cluster.is_split else [],
        cluster.process,
        epoch_interval=EPOCH,
        worker_count_per_proc=cluster.workers,
    )
    if cluster.is_split:
        _run_beside(run_all, ended, failed)
    elif cluster.workers > 1:
        run_all()
    else:
        run(flow)


def _run_beside(run: Callable[[], None], ended: threading.Event, failed: threading.Event) -> None:
    """Run the engine in a thread: signals are heard while it waits for other processes.

    What failed in a step does not wait for them: they end when this process does.
    """
    raised: list[BaseException] = []

    def work() -> None:
        try:
            run()
        except BaseException as error:
            raised.append(error)

    engine = threading.Thread(target=work, name="engine", daemon=True)
    engine.start()
    ended_s: float | None = None
    while engine.is_alive() and not failed.is_set():
        engine.join(_POLL_S)
        if ended_s is None and ended.is_set():
            ended_s = time.monotonic()
        if ended_s is not None and time.monotonic() - ended_s > PEERS_WAIT_S:
            _log.warning(
                "other processes of this flow go on: leaving without them after %.0f s, which ends "
                "them too",
                PEERS_WAIT_S,
            )
            return
    engine.join(_POLL_S if not failed.is_set() else _LAST_READS_S)
    if raised:
        raise raised[0]


@contextmanager
def _heard(end: Callable[[], None]) -> Iterator[list[int]]:
    """Call ``end`` when a signal comes, and give the signals that came."""
    came: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        came.append(number)
        end()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, hear) for number in _ENDING}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ours(first: BaseException | None, error: BaseException, cluster: Cluster) -> BaseException:
    """Return what a step raised, rather than what the engine made of it."""
    ours = _within(first) or _within(error) or first
    if ours is not None:
        return ours
    if cluster.is_split and not isinstance(error, Exception):  # a panic of the engine's
        return PeerLost(
            "another process of this flow has ended, or can't be reached any more: all processes "
            "must be started again, together"
        )
    _, failed, reason = str(error).partition("failed to initialize networking: ")
    if cluster.is_split and failed:
        return PeerLost(
            f"this process can't listen at {cluster.addresses[cluster.process]} for the others of "
            f"its flow: {reason}; correct the addresses, or start all processes again"
        )
    return error


def _within(error: BaseException | None) -> RillrecError | None:
    while error is not None and not isinstance(error, RillrecError):
        error = error.__cause__ or error.__context__
    return error


def leave(code: int) -> NoReturn:
    """End this process at once, whatever threads the engine has left in it."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
