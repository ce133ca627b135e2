"""The first error of a run: it ends the run in order, rather than by a panic of the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from schemas.errors import RillrecError

Given = TypeVar("Given")
Made = TypeVar("Made")
_NOTHING: Any = ((), StatefulBatchLogic.RETAIN)


class Failures:
    """Stands between the engine and the steps, and keeps the first error that one of them raises.

    The engine would end by a panic, and between several workers lose the error. So where there is
    somebody to tell, the steps let everything fall from the error on, on all workers: nothing more
    is stored, and the run ends once its source has.

    Attributes
    ----------
    first
        The error, ``None`` while all is well.
    on_failure
        Told errors of ours as they come, and ends the source; ``None`` lets the engine have them,
        as it always has those that are not ours.
    falls
        Whether everything is let fall by now. What is only noted, a source's error say, leaves the
        steps to go on with what was read.
    """

    def __init__(self) -> None:
        self.first: BaseException | None = None
        self.on_failure: Callable[[RillrecError], None] | None = None
        self.falls = False
        self._lock = threading.Lock()

    def note(self, error: BaseException) -> None:
        """Keep an error, unless one came before it."""
        with self._lock:
            if self.first is None:
                self.first = error

    def attempt(self, call: Callable[[], Made], otherwise: Made) -> Made:
        """Return what a call returns, or something else from the first error on."""
        if self.falls:
            return otherwise
        try:
            return call()
        except RillrecError as error:
            self.note(error)
            if self.on_failure is None:
                raise
            self.falls = True
            self.on_failure(error)
            return otherwise
        except BaseException as error:
            self.note(error)
            raise

    def step(self, step: Callable[[Given], list[Made]]) -> Callable[[Given], list[Made]]:
        """Return a step whose errors are kept."""
        return lambda given: self.attempt(lambda: step(given), [])

    def logic(
        self, build: Callable[[None], StatefulBatchLogic[Given, Made, None]]
    ) -> Callable[[None], StatefulBatchLogic[Given, Made, None]]:
        """Return a builder of stateful steps whose errors are kept."""

        def built(resumed: None) -> StatefulBatchLogic[Given, Made, None]:
            idle: StatefulBatchLogic[Given, Made, None] = _Idle()
            return _Attempted(self.attempt(lambda: build(resumed), idle), self)

        return built

    def sink(self, sink: DynamicSink[Given]) -> DynamicSink[Given]:
        """Return a sink whose errors are kept."""
        return _AttemptedSink(sink, self)


class _Idle(StatefulBatchLogic[Given, Made, None]):
    """Stands for a step that could not be built."""

    def on_batch(self, values: list[Given]) -> Any:
        return _NOTHING

    def snapshot(self) -> None: ...


class _Attempted(StatefulBatchLogic[Given, Made, None]):
    def __init__(self, logic: StatefulBatchLogic[Given, Made, None], failures: Failures) -> None:
        self._logic, self._failures = logic, failures

    def on_batch(self, values: list[Given]) -> Any:
        return self._failures.attempt(lambda: self._logic.on_batch(values), _NOTHING)

    def on_notify(self) -> Any:
        return self._failures.attempt(self._logic.on_notify, _NOTHING)

    def on_eof(self) -> Any:
        return self._failures.attempt(self._logic.on_eof, _NOTHING)

    def notify_at(self) -> datetime | None:
        return None if self._failures.falls else self._logic.notify_at()

    def snapshot(self) -> None:
        self._failures.attempt(self._logic.snapshot, None)


class _AttemptedSink(DynamicSink[Given]):
    def __init__(self, sink: DynamicSink[Given], failures: Failures) -> None:
        self._sink, self._failures = sink, failures

    def build(
        self, step_id: str, worker_index: int, worker_count: int
    ) -> StatelessSinkPartition[Given]:
        return _AttemptedPartition(
            self._sink.build(step_id, worker_index, worker_count), self._failures
        )


class _AttemptedPartition(StatelessSinkPartition[Given]):
    def __init__(self, partition: StatelessSinkPartition[Given], failures: Failures) -> None:
        self._partition, self._failures = partition, failures

    def write_batch(self, items: list[Given]) -> None:
        self._failures.attempt(lambda: self._partition.write_batch(items), None)

    def close(self) -> None:
        self._partition.close()
