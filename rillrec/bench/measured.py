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
    watch = Watch(
        meter,
        tell=lambda line: typer.echo(f"  {assignment.phase}: {line}", err=True),
        give_up=lambda: os._exit(UNAVAILABLE),
    )
    threading.Thread(target=watch.run, args=(ended,), name="watch", daemon=True).start()
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


class Watch:
    """Tells how far a measurement has come, and gives it up where no event has come for long."""

    def __init__(
        self,
        meter: Meter,
        *,
        tell: Callable[[str], None],
        give_up: Callable[[], None],
        stalled_s: float = STALLED_S,
    ) -> None:
        self._meter, self._tell, self._give_up = meter, tell, give_up
        self._stalled_s, self._before, self._still_s = stalled_s, 0, 0.0

    def run(self, ended: threading.Event, *, every_s: float = TOLD_EVERY_S) -> None:
        """Look every few seconds, until it has ended."""
        while not ended.wait(every_s):
            self._look(every_s)

    def _look(self, passed_s: float) -> None:
        meter, now = self._meter, self._meter.arrived_events
        still = now == self._before and not meter.all_arrived
        self._still_s = self._still_s + passed_s if still else 0.0
        self._before = now
        self._tell(f"{now:,} of {meter.events:,} events read")
        if self._still_s >= self._stalled_s:
            self._tell(f"no event has come for {self._still_s:g} s: giving up")
            self._give_up()


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
