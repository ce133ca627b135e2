"""One measurement in a process of its own: ``python -m rillrec.bench.measured ASSIGNMENT``.

Settings come from the environment, as in every child; the assignment is JSON. Prints ``ready`` once
all is loaded and warm, and then the measurement as JSON. What people may read goes to stderr.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Literal

import msgspec
import typer
from msgspec import Struct

from rillrec.bench.meter import Measurement, Meter
from rillrec.exits import UNAVAILABLE, code_of
from rillrec.parent import end_with_parent
from schemas.errors import RillrecError
from schemas.settings import Settings
from schemas.settings_loading import load_settings

Phase = Literal["consume", "decode", "full"]
TOLD_EVERY_S = 5.0
STALLED_S = 120.0


class Assignment(Struct, frozen=True, kw_only=True):
    """What to measure.

    Parameters
    ----------
    events
        How many there will be, in all partitions together.
    beside
        Processes whose processor time is measured too.
    parent
        The process that waits for the measurement.
    """

    phase: Phase
    events: int
    partitions: int
    workers: int
    beside: dict[str, int]
    parent: int


def measure(
    assignment: Assignment, settings: Settings, *, ready: Callable[[], None]
) -> Measurement:
    """Measure what was assigned."""
    meter = Meter(assignment.events, beside=assignment.beside)
    ended = threading.Event()
    watch = threading.Thread(
        target=_watch, args=(assignment.phase, meter, ended), name="watch", daemon=True
    )
    watch.start()
    try:
        workers = assignment.workers
        if assignment.phase == "consume":
            from rillrec.bench.raw import consume

            return consume(
                settings, meter, partitions=assignment.partitions, workers=workers, ready=ready
            )
        from rillrec.bench.metered_flows import decode_only, full_flow

        run = decode_only if assignment.phase == "decode" else full_flow
        return run(settings, meter, workers=workers, ready=ready)
    finally:
        ended.set()


def _watch(phase: Phase, meter: Meter, ended: threading.Event) -> None:
    """Tell how far it has come; end the process where no event has come for two minutes."""
    before, still_s = 0, 0.0
    while not ended.wait(TOLD_EVERY_S):
        now = meter.arrived_events
        still_s = 0.0 if now > before or meter.all_arrived else still_s + TOLD_EVERY_S
        before = now
        typer.echo(f"  {phase}: {now:,} of {meter.events:,} events read", err=True)
        if still_s >= STALLED_S:
            typer.echo(f"error: no event has come for {STALLED_S:g} s", err=True)
            os._exit(UNAVAILABLE)


def main() -> None:
    """Measure, and print the measurement."""
    assignment = msgspec.json.decode(sys.argv[1], type=Assignment)
    end_with_parent(assignment.parent)
    settings = load_settings(environ=os.environ)
    try:
        measured = measure(assignment, settings, ready=lambda: print("ready", flush=True))
    except RillrecError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(code_of(error))
    print(msgspec.json.encode(measured).decode(), flush=True)


if __name__ == "__main__":
    main()
