"""Test-then-learn through the public API, against replay.

    python -m tests.benchmarks.walk ../shared/data/rsc15-100k/events.csv.gz --sessions 500

Replays a file into an embedded Redis up to the first event of the sessions that appear last, starts
``rillrec up`` on it, and goes on over gRPC: each of those sessions asks for a slate before each of
its events but the first, as soon as the scorer has absorbed the event before, and then every event
is tracked in the file's order. Prints the hit rate and the reciprocal rank beside those that a
replay of the whole file has over the same predictions.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np

from flows.sources.file import FileSource
from online_models.metrics import ranking_metrics
from online_models.prequential import Evaluator
from online_models.recommender import Ranking
from rillrec.replaying import Protocol, Replay
from schemas.events import Interaction
from schemas.examples import Example
from schemas.settings import Settings, StreamSettings
from serving import scorer_pb2 as pb
from serving.scorer_pb2_grpc import ScorerStub

STREAM = StreamSettings(unit="session", repeats="allow")


class Noting(Evaluator):
    """Notes the rank of every prediction under its event's offset."""

    def __init__(self, evaluator: Evaluator) -> None:
        super().__init__(evaluator.items, unit=evaluator.unit, top=evaluator.top)
        self.ranks: dict[int, int] = {}

    def observe(self, example: Example, ranking: Ranking) -> None:
        """Note the rank, 0 for a miss."""
        row = self.items.row_of(example.item_id)
        slate = ranking.candidates.rows[ranking.top(self.top)].tolist()
        self.ranks[example.offset] = slate.index(row) + 1 if row in slate else 0


def interactions(path: Path) -> list[tuple[int, Interaction]]:
    """Return the events of a file with their offsets."""
    source = FileSource(path, batch_size=10_000)
    partition, events = source.open(), []
    while True:
        try:
            [batch] = partition.next_batch()
        except StopIteration:
            return events
        happenings, _ = source.decoder(batch.records, now_ms=time.time_ns() // 1_000_000)
        events += [(at, event) for at, event, _ in happenings if isinstance(event, Interaction)]


def last_sessions(events: list[tuple[int, Interaction]], count: int) -> tuple[set[str], int]:
    """Return the sessions that appear last, and the place of the first event among theirs."""
    first: dict[str, int] = {}
    for place, (_, event) in enumerate(events):
        first.setdefault(event.session_id or event.user_id, place)
    chosen = sorted(first, key=lambda key: first[key])[-count:]
    return set(chosen), min(first[key] for key in chosen)


def replayed(path: Path) -> dict[int, int]:
    """Return the rank of every prediction of a replay."""
    replay = Replay(FileSource(path), Settings(stream=STREAM), protocol=Protocol())
    noting = Noting(replay.evaluator)
    replay.learner.observer = noting
    replay.run()
    return noting.ranks


@contextmanager
def scorer(folder: str, model: str) -> Iterator[ScorerStub]:
    """Run ``rillrec up`` and give a stub of its scorer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["up", "--model", model, "--data-dir", folder, "--port", str(port)]
    stream = {"RILLREC_STREAM__UNIT": STREAM.unit, "RILLREC_STREAM__REPEATS": STREAM.repeats}
    stream["RILLREC_SLATES__EXPLORE_EVERY"] = "0"  # as in replay
    process = subprocess.Popen([sys.executable, "-m", "rillrec", *command], env=os.environ | stream)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = ScorerStub(channel)
            _wait_for_model(stub)
            yield stub
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for_model(stub: ScorerStub) -> None:
    for _ in range(300):
        try:
            if stub.GetModelInfo(pb.GetModelInfoRequest()).model_version:
                return
        except grpc.RpcError:
            pass
        time.sleep(0.1)
    raise TimeoutError("the scorer does not serve the model after 30 s")


def walk(
    stub: ScorerStub, events: list[tuple[int, Interaction]], chosen: set[str]
) -> dict[int, int]:
    """Ask and track in file order; return the rank of each prediction by offset."""
    ranks: dict[int, int] = {}
    previous: dict[str, tuple[str, int]] = {}
    for offset, event in events:
        key = event.session_id or event.user_id
        if key in chosen and key in previous:
            after, time_ms = previous[key]
            request = pb.RecommendRequest(
                user_id=event.user_id, k=20, after=after, time_ms=time_ms, session_id=key
            )
            slate = [item.item_id for item in stub.Recommend(request, timeout=10).items]
            ranks[offset] = slate.index(event.item_id) + 1 if event.item_id in slate else 0
        tracked = stub.Track(pb.TrackRequest(events=[_tracked(event)]), timeout=10).tracked[0]
        previous[key] = tracked.position, event.time_ms
    return ranks


def _tracked(event: Interaction) -> pb.Event:
    return pb.Event(
        interaction=pb.Interaction(
            event_id=event.event_id,
            user_id=event.user_id,
            item_id=event.item_id,
            kind=event.kind,
            time_ms=event.time_ms,
            session_id=event.session_id,
        )
    )


def main() -> None:
    """Run both and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--sessions", type=int, default=500)
    options = parser.parse_args()
    events = interactions(options.file)
    chosen, start = last_sessions(events, options.sessions)
    expected = replayed(options.file)
    with tempfile.TemporaryDirectory(prefix="rillrec-walk-") as folder:
        command = ["replay", str(options.file), "--into", "walk", "--data-dir", folder]
        command += ["--limit", str(start), "--unit", "session", "--repeats", "allow", "--json"]
        subprocess.run(
            [sys.executable, "-m", "rillrec", *command], check=True, stdout=subprocess.DEVNULL
        )
        with scorer(folder, "walk") as stub:
            started_s = time.monotonic()
            ranks = walk(stub, events[start:], chosen)
            seconds = time.monotonic() - started_s
    both = sorted(ranks)
    report = {
        "predictions": len(both),
        "tracked": len(events) - start,
        "seconds": round(seconds, 1),
        "through_the_api": ranking_metrics(np.array([ranks[o] for o in both])),
        "replay": ranking_metrics(np.array([expected[o] for o in both])),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
