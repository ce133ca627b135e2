"""How far a backfill has read: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rillrec.extent import Extent, Lengths
from schemas.errors import BrokerError, StoreError
from schemas.kafka import start_ms

if TYPE_CHECKING:
    from rillrec.backfilling import Backfill

REFRESH_S = 1.0
LINE_EVERY_S = 10.0


class BackfillProgress:
    """Looks once a second at what is published of how much: a bar, or a line every ten seconds.

    Parameters
    ----------
    run
        Tells what has been read.
    tell
        Is handed the lines where stderr is no terminal, and the last one everywhere.
    """

    def __init__(self, run: Backfill, *, tell: Callable[[str], None]) -> None:
        self._run, self._tell = run, tell
        kafka = run.settings.kafka
        self._lengths = Lengths(kafka, run.parts())
        self._begins = self._lengths.begins(
            0 if kafka.start == "earliest" else start_ms(kafka.start), whole=kafka.items_topic
        )
        self._bar = Progress(
            TextColumn(run.into),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} % of the log, {task.fields[rate]:,.0f} events/s"),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task("", total=1.0, rate=0.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="progress", daemon=True)

    def __enter__(self) -> BackfillProgress:
        self._bar.start()
        self._thread.start()
        return self

    def _follow(self) -> None:
        began_s = told_s = time.monotonic()
        extent: Extent | None = None
        while not self._ended.wait(REFRESH_S):
            try:
                extent = Extent(self._begins, self._lengths.ends())
                reached = self._run.store.low_marks()
            except (BrokerError, StoreError):
                continue  # the flow waits for it too, and says so
            now_s = time.monotonic()
            share, left = extent.share(reached), extent.left(reached)
            rate = self._run.incidents.tally.records / (now_s - began_s)
            self._bar.update(self._task, completed=share, rate=rate)
            if not sys.stderr.isatty() and now_s - told_s >= LINE_EVERY_S:
                told_s = now_s
                self._tell(line(share, left, rate))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._bar.stop()


def line(share: float, left: int, rate: float) -> str:
    """Return how far it is, in words.

    Examples
    --------
    >>> line(0.25, 300_000, 5_000.0)
    ' 25 % of the log, 5,000 events/s, about 1 min left'
    """
    text = f"{100 * share:3.0f} % of the log, {rate:,.0f} events/s"
    if not rate or not left:
        return text
    left_s = left / rate
    for unit, seconds in (("h", 3_600), ("min", 60)):
        if left_s >= seconds:
            return f"{text}, about {left_s / seconds:.0f} {unit} left"
    return f"{text}, about {left_s:.0f} s left"
