"""How far a file has been read, on stderr."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from flows.sources.file import FileSource
    from flows.tally import Tally

REFRESH_S = 0.2


class _Rate(ProgressColumn):
    """Rows a second, as they have been since the start."""

    def render(self, task: Task) -> Text:
        elapsed_s = task.elapsed or 0.0
        rows = task.fields["rows"]
        rate = rows / elapsed_s if elapsed_s else 0.0
        return Text(f"{rows:,} rows, {rate:,.0f}/s")


class RowsBar:
    """A bar of the share of a file's bytes that were read; nothing where stderr is no terminal.

    Parameters
    ----------
    source
        Tells how far it has read.
    tally
        Counts the rows.
    """

    def __init__(self, source: FileSource, tally: Tally, *, name: str) -> None:
        self._source, self._tally = source, tally
        self._progress = Progress(
            TextColumn(name),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            _Rate(),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        size_bytes = source.path.stat().st_size
        self._task = self._progress.add_task("", total=size_bytes, rows=0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="progress", daemon=True)

    def __enter__(self) -> RowsBar:
        self._progress.start()
        self._thread.start()
        return self

    def _follow(self) -> None:
        while not self._ended.wait(REFRESH_S):
            self._progress.update(
                self._task, completed=self._source.bytes_read, rows=self._tally.records
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._progress.stop()
