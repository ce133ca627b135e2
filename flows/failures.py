"""The first error of a run: between several workers the engine loses it, and tells of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition

Given = TypeVar("Given")
Made = TypeVar("Made")


class Failures:
    """Keeps the first error that a step raises, on its way to the engine.

    Attributes
    ----------
    first
        The error, ``None`` while all is well.
    """

    def __init__(self) -> None:
        self.first: BaseException | None = None
        self._lock = threading.Lock()

    def note(self, error: BaseException) -> None:
        """Keep an error, unless one came before it."""
        with self._lock:
            if self.first is None:
                self.first = error

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Keep what the block raises, and let it pass."""
        try:
            yield
        except BaseException as error:
            self.note(error)
            raise

    def step(self, step: Callable[[Given], Made]) -> Callable[[Given], Made]:
        """Return a step whose errors are kept."""

        def noting(given: Given) -> Made:
            with self.noted():
                return step(given)

        return noting

    def logic(
        self, build: Callable[[None], StatefulBatchLogic[Given, Made, None]]
    ) -> Callable[[None], StatefulBatchLogic[Given, Made, None]]:
        """Return a builder of stateful steps whose errors are kept."""

        def noting(resumed: None) -> StatefulBatchLogic[Given, Made, None]:
            with self.noted():
                return _Noting(build(resumed), self)

        return noting

    def sink(self, sink: DynamicSink[Given]) -> DynamicSink[Given]:
        """Return a sink whose errors are kept."""
        return _NotingSink(sink, self)


class _Noting(StatefulBatchLogic[Given, Made, None]):
    def __init__(self, logic: StatefulBatchLogic[Given, Made, None], failures: Failures) -> None:
        self._logic, self._failures = logic, failures

    def on_batch(self, values: list[Given]) -> Any:
        with self._failures.noted():
            return self._logic.on_batch(values)

    def on_notify(self) -> Any:
        with self._failures.noted():
            return self._logic.on_notify()

    def on_eof(self) -> Any:
        with self._failures.noted():
            return self._logic.on_eof()

    def notify_at(self) -> datetime | None:
        return self._logic.notify_at()

    def snapshot(self) -> None:
        with self._failures.noted():
            return self._logic.snapshot()


class _NotingSink(DynamicSink[Given]):
    def __init__(self, sink: DynamicSink[Given], failures: Failures) -> None:
        self._sink, self._failures = sink, failures

    def build(
        self, step_id: str, worker_index: int, worker_count: int
    ) -> StatelessSinkPartition[Given]:
        with self._failures.noted():
            return _NotingPartition(
                self._sink.build(step_id, worker_index, worker_count), self._failures
            )


class _NotingPartition(StatelessSinkPartition[Given]):
    def __init__(self, partition: StatelessSinkPartition[Given], failures: Failures) -> None:
        self._partition, self._failures = partition, failures

    def write_batch(self, items: list[Given]) -> None:
        with self._failures.noted():
            self._partition.write_batch(items)

    def close(self) -> None:
        self._partition.close()
