"""A stream into a whole installation whose processes are killed, one after the other, at random."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Producer

from serving.store.wire import Wire
from tests.integration.processes import alive, descendants

START_MS = 1_760_000_000_000
KINDS = ("click", "click", "click", "view", "purchase", "skip", "dislike")
SMALL_MODEL = {
    "RILLREC_MODEL__HYPER__DIMENSIONS": "8",
    "RILLREC_MODEL__HYPER__LEARNING_WINDOW": "5",
    "RILLREC_MODEL__HYPER__SCORING_WINDOW": "5",
    "RILLREC_MODEL__HYPER__ENCODER_WINDOW": "5",
    "RILLREC_MODEL__HYPER__HIDDEN": "4",
}


def stream(events: int, *, users: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield (key, payload): repeats, lateness, disorder and refusals among what is well-formed."""
    dice = random.Random(seed)
    for n in range(events):
        user = f"u{dice.randrange(users)}"
        time_ms = START_MS + n * 200 - dice.choice((0, 0, 0, 0, 60_000, 600_000))
        fields = {
            "event_id": f"e{n}",
            "user_id": user,
            "item_id": f"i{dice.randrange(400)}",
            "kind": dice.choice(KINDS),
            "time_ms": time_ms,
        }
        what = dice.random()
        if what < 0.01:
            fields["event_id"] = f"e{n - 1}"
        elif what < 0.02:
            fields["time_ms"] = START_MS - 86_400_000
        payload = json.dumps(fields).encode()
        yield user, payload[:-20] if 0.02 <= what < 0.04 else payload


class Faucet(threading.Thread):
    """Produces a stream at a rate, keyed by user; waits out a broker that is away.

    The producer is idempotent, and asks for the acknowledgement of all replicas: what is delivered
    is in the topic once, in order. The last tenth waits for ``may_end``.
    """

    def __init__(self, brokers: str, topic: str, events: int, *, rate: float, seed: int) -> None:
        super().__init__(name="faucet", daemon=True)
        self._topic, self._events, self._rate = topic, events, rate
        self._stream = stream(events, users=events // 40, seed=seed)
        self._producer = Producer(
            {
                "bootstrap.servers": brokers,
                "enable.idempotence": True,
                "max.in.flight": 1,  # with more, what is reported delivered may be lost
                "message.timeout.ms": 300_000,
                "log_level": 0,
            }
        )
        self.delivered = 0
        self.failed: list[str] = []
        self.may_end = threading.Event()

    def run(self) -> None:
        began_s = time.monotonic()
        for n, (key, payload) in enumerate(self._stream):
            self._produce(key, payload)
            while n > self._events * 9 // 10 and not self.may_end.wait(0.1):
                self._producer.poll(0)
            if n % 100 == 0:
                self._producer.poll(0)
                time.sleep(max(0.0, began_s + n / self._rate - time.monotonic()))
        self._producer.flush(300)

    def _produce(self, key: str, payload: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._topic, payload, key, on_delivery=self._told)
                return
            except BufferError:
                self._producer.poll(0.1)

    def _told(self, error: object, _message: object) -> None:
        if error is None:
            self.delivered += 1
        else:
            self.failed.append(str(error))


@dataclass
class Command:
    """A ``rillrec`` command that can be killed, and started again."""

    arguments: tuple[str, ...]
    directory: Path
    environ: dict[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        return self.directory / f"{self.arguments[0]}.log"

    def start(self) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("RILLREC_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rillrec", *self.arguments],
                cwd=self.directory,
                env=kept | self.environ | {"HOME": str(self.directory), "PYTHONUNBUFFERED": "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self, dice: random.Random) -> None:
        """Kill one of its processes; where it has children, one of them."""
        assert self.process is not None
        victims = [pid for pid in descendants(self.process.pid) if alive(pid)]
        os.kill(dice.choice(victims or [self.process.pid]), signal.SIGKILL)
        if not victims:
            self.process.wait()

    def end(self, *, timeout_s: float = 240.0) -> None:
        """End it in order."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.destroy()
            raise

    def destroy(self) -> None:
        """Leave nothing of it behind."""
        if self.process is None:
            return
        for pid in [*descendants(self.process.pid), self.process.pid]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def synced_bytes(redis_url: str) -> int:
    """Return how long an append-only file was when Redis began with it, or had rewritten it."""
    wire = Wire(redis_url, timeout_s=5.0)
    try:
        found = re.search(rb"aof_base_size:(\d+)", wire.call("INFO", "persistence"))
    finally:
        wire.close()
    assert found
    return int(found[1])


def power_cut(
    append_only: Path, dice: random.Random, *, synced_bytes: int, most_bytes: int = 400_000
) -> int:
    """Cut the end off an append-only file, as a power cut does to what was not synced yet.

    ``kill -9`` alone loses nothing that the kernel has. Returns how many bytes went: none of what a
    rewrite wrote, which takes the file's place when it is synced.
    """
    size = append_only.stat().st_size
    lost = min(size // 2, max(0, size - synced_bytes), dice.randrange(most_bytes))
    with append_only.open("r+b") as file:
        file.truncate(size - lost)
    return lost


def wait_until(what: Callable[[], bool], *, timeout_s: float, why: Callable[[], str]) -> None:
    """Return when something holds; fail with the reason where it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, why()
        time.sleep(0.1)
