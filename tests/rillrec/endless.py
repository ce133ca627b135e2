"""An endless flow with a partition for each of eight numbers, as a program of its own."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from datetime import UTC, datetime, timedelta

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.cluster import cluster_of
from flows.failures import Failures
from flows.sources.event_source import EventSource
from flows.sources.watched import OnFailure
from rillrec import engine
from rillrec.exits import code_of
from schemas.errors import FlowOutdated, RillrecError, StoreRolledBack

PARTITIONS = 8


class Numbers(StatefulSourcePartition[tuple[str, int], None]):
    def __init__(self, source: EndlessSource, number: int) -> None:
        self._source, self._number, self._read = source, number, 0

    def next_batch(self) -> list[tuple[str, int]]:
        if self._source.ended.is_set():
            raise StopIteration
        self._read += 1
        if self._source.outdated and self._read == 100 and self._number == 3:
            assert self._source.on_failure is not None
            self._source.on_failure(FlowOutdated("partitions have come"))
        return [("all", self._number)]

    def next_awake(self) -> datetime:
        return datetime.now(UTC) + timedelta(milliseconds=2)

    def snapshot(self) -> None: ...


class EndlessSource(EventSource):
    """As the engine knows sources: it ends when it is asked to."""

    on_failure: OnFailure | None = None

    def __init__(self, *, outdated: bool) -> None:
        self.ended, self.outdated = threading.Event(), outdated

    def end(self) -> None:
        self.ended.set()

    def list_parts(self) -> list[str]:
        return [str(number) for number in range(PARTITIONS)]

    def build_part(self, step_id: str, for_part: str, resume_state: object) -> Numbers:
        print(f"reading {for_part}", flush=True)
        return Numbers(self, int(for_part))

    def open_at(self, topic: str, partition: int, start: int | None) -> Numbers:
        raise NotImplementedError


class Count(op.StatefulBatchLogic[int, str, None]):
    def __init__(self, said: argparse.Namespace) -> None:
        self._said, self._count = said, 0

    def on_batch(self, values: list[int]) -> tuple[list[str], bool]:
        if self._count == 0:
            print("counting", flush=True)
        self._count += len(values)
        if self._said.refuse and self._count > 100:
            raise StoreRolledBack("the store lost writes")
        if getattr(self._said, "break") and self._count > 100:
            _ = 1 / 0
        return [], False

    def on_eof(self) -> tuple[list[str], bool]:
        return ["the rest"], False

    def snapshot(self) -> None: ...


class Print(DynamicSink[tuple[str, str]]):
    def build(self, step_id: str, worker_index: int, worker_count: int) -> PrintPartition:
        return PrintPartition()


class PrintPartition(StatelessSinkPartition[tuple[str, str]]):
    def write_batch(self, items: list[tuple[str, str]]) -> None:
        for _, text in items:
            print(f"published {text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("workers", type=int)
    parser.add_argument("process", type=int)
    parser.add_argument("addresses")
    parser.add_argument("--peers-wait-s", type=float, default=10.0)
    for name in ("--refuse", "--outdated", "--break", "--unheard"):
        parser.add_argument(name, action="store_true")
    said = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    engine.PEERS_WAIT_S = said.peers_wait_s
    cluster = cluster_of(
        {},
        workers=said.workers,
        process=said.process if said.addresses else None,
        addresses=said.addresses,
    )
    source, failures = EndlessSource(outdated=said.outdated), Failures()
    flow = Dataflow("endless")
    numbers = op.input("read", flow, source)

    def count(_: object) -> Count:
        return Count(said)

    counts = op.stateful_batch("count", numbers, count if said.unheard else failures.logic(count))
    op.output("print", counts, Print())
    try:
        heard = None if said.unheard else failures
        return engine.run_flow(flow, source, cluster=cluster, failures=heard)
    except RillrecError as error:
        print(f"error: {error}", file=sys.stderr)
        return code_of(error)


if __name__ == "__main__":
    engine.leave(main())
