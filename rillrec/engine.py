"""Running a dataflow in this process, and ending it in order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from rillrec.exits import INTERRUPTED, OK
from schemas.errors import RillrecError

if TYPE_CHECKING:
    from bytewax.dataflow import Dataflow

    from flows.sources.event_source import EventSource

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_flow(flow: Dataflow, source: EventSource) -> int:
    """Run a flow on one worker until its source ends; return the exit code.

    The engine knows no orderly stop. So SIGTERM and Ctrl-C end the source instead: what was read
    goes through all steps, the last micro-batch is trained on, and everything is published. A
    second signal does not wait for that.

    Raises
    ------
    RillrecError
        The source can't be read, or a step raised it; without the engine's wrapping.
    """
    import torch
    from bytewax.testing import run_main

    from online_models.threads import compute_on_one_thread

    compute_on_one_thread()
    torch.set_num_threads(1)  # sums in one order: the same seed gives the same model
    run: Any = run_main
    failures: list[RillrecError] = []
    source.on_failure = failures.append
    with _ending(source) as signals:
        try:
            run(flow)
        except BaseException as error:
            ours = _ours(error)
            if ours is None:
                raise
            raise ours from error
    if failures:
        raise failures[0]
    return INTERRUPTED if signal.SIGINT in signals else OK


@contextmanager
def _ending(source: EventSource) -> Iterator[list[int]]:
    """End the source when a signal comes, and give the signals that came."""
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        came.append(number)
        source.end()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, end) for number in _ENDING}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ours(error: BaseException | None) -> RillrecError | None:
    """Return the error that a step raised, from among those that the engine made of it."""
    while error is not None and not isinstance(error, RillrecError):
        error = error.__cause__ or error.__context__
    return error
