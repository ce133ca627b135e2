"""The engine's own command over Kafka: crashes, its recovery store, clusters as in Kubernetes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bytewax.recovery import init_db_dir

from rillrec.exits import OK, REBUILD
from rillrec.ports import quiet_ports
from schemas.positions import mark_of
from serving.store import RedisStore
from tests.integration.kills import SMALL_MODEL, stream, wait_until
from tests.integration.test_workers import Outcome, outcome, reached
from tests.kafka import Kafka

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.kafka]

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "deploy" / "kubernetes" / "flow.yaml"
EVENTS, USERS = 12_000, 300
ENGINE = ("-m", "bytewax.run", "flows.recommend")


class Engine:
    """A topic that grows, and processes that learn from it."""

    def __init__(self, kafka: Kafka, redis_url: str, directory: Path) -> None:
        self._kafka, self._url, self._directory = kafka, redis_url, directory
        topics = kafka.topics(partitions=8)
        self._topic = topics["interactions_topic"]
        self._stream = stream(10 * EVENTS, users=USERS, seed=3)
        self._named = {f"RILLREC_KAFKA__{name.upper()}": topic for name, topic in topics.items()}
        self._started: list[subprocess.Popen[bytes]] = []
        self.log, self.produced = directory / "log.txt", 0

    def produce(self, events: int) -> None:
        self.produced += events
        self._kafka.produce(self._topic, [next(self._stream) for _ in range(events)])

    def start(
        self, *arguments: str, model: str = "shop", environ: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self._directory,
                stdout=log,
                stderr=log,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(self._directory),
                    "PYTHONPATH": str(ROOT),
                    **self._named,
                    **SMALL_MODEL,
                    "RILLREC_KAFKA__BROKERS": self._kafka.brokers,
                    "RILLREC_STORE__REDIS_URL": self._url,
                    "RILLREC_MODEL__NAME": model,
                    "RILLREC_FLOW__BATCH_SIZE": "50",
                    "RILLREC_FLOW__PUBLISH_INTERVAL_MS": "40",
                    "RILLREC_FLOW__METRICS_PORT": "0",
                    **(environ or {}),
                },
            )
        self._started.append(process)
        return process

    def published(self) -> int:
        store = RedisStore(self._url, name="shop")
        marks = store.low_marks()
        store.close()
        return sum(mark_of(marks, self._topic, p) for p in range(8))

    def wait_level(self, model: str = "shop") -> Outcome:
        store, ends = (
            RedisStore(self._url, name=model),
            {self._topic: self._kafka.ends(self._topic)},
        )
        wait_until(
            lambda: reached(store, ends),
            timeout_s=360,
            why=lambda: f"{store.low_marks()} of {ends}:\n{self.log.read_text()[-4_000:]}",
        )
        found = outcome(store)
        store.close()
        return found

    def calm(self) -> Outcome:
        self.start(*ENGINE, model="calm")
        return self.wait_level("calm")

    def destroy(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()


@pytest.fixture
def engine(kafka: Kafka, redis_url: str, tmp_path: Path) -> Iterator[Engine]:
    made = Engine(kafka, redis_url, tmp_path)
    yield made
    made.destroy()


@pytest.mark.timeout(1_500)
@pytest.mark.parametrize("recovery", [False, True], ids=["alone", "with its recovery store"])
def test_the_engines_command_counts_everything_once_through_crashes(
    engine: Engine, recovery: bool, tmp_path: Path
) -> None:
    arguments = [*ENGINE, "-w", "2"]
    if recovery:
        (tmp_path / "recovery").mkdir()
        init_db_dir(tmp_path / "recovery", 2)
        arguments += ["-r", str(tmp_path / "recovery"), "-s", "1", "-b", "0"]
    midway = 0
    for _ in range(3):
        engine.produce(EVENTS // 6)
        before = engine.published()
        process = engine.start(*arguments)
        wait_until(
            lambda before=before: engine.published() > before,  # type: ignore[misc]
            timeout_s=360,
            why=lambda: engine.log.read_text()[-4_000:],
        )
        engine.produce(EVENTS // 6)
        process.kill()
        process.wait()
        midway += engine.published() < engine.produced
    assert midway, "every kill came too late to hit anything"
    engine.start(*arguments)
    states, letters, counts = engine.wait_level()
    wanted_states, wanted_letters, wanted_counts = engine.calm()
    assert states == wanted_states
    assert letters == wanted_letters
    assert counts == wanted_counts
    assert len(letters) > EVENTS // 100


def pods(directory: Path) -> list[dict[str, str]]:
    """Return the environment of each pod of the stateful set, with hosts of this machine."""
    hosts = directory / "hosts"
    hosts.write_text("".join(f"127.0.0.1:{port}\n" for port in quiet_ports(2)))
    common = {
        "BYTEWAX_STATEFULSET_NAME": "rillrec-flow",
        "BYTEWAX_HOSTFILE_PATH": str(hosts),
        "BYTEWAX_WORKERS_PER_PROCESS": "2",
    }
    return [{**common, "BYTEWAX_POD_NAME": f"rillrec-flow-{number}"} for number in range(2)]


def test_the_manifest_sets_the_variables_that_are_tried_here(tmp_path: Path) -> None:
    manifest = MANIFEST.read_text()
    named = re.findall(r"- name: (BYTEWAX_\w+)", manifest)
    assert sorted(named) == sorted(pods(tmp_path)[0])
    assert 'command: ["rillrec", "flow"]' in manifest
    assert re.findall(r"rillrec-flow-(\d)\.rillrec-flow:2101", manifest) == ["0", "1"]
    assert "replicas: 2" in manifest


@pytest.mark.timeout(900)
@pytest.mark.parametrize("command", [ENGINE, ("-m", "rillrec", "flow")], ids=["engine", "rillrec"])
def test_two_pods_are_one_flow_and_begin_again_together(
    engine: Engine, command: tuple[str, ...], tmp_path: Path
) -> None:
    engine.produce(EVENTS // 2)
    one, two = (engine.start(*command, environ=environ) for environ in pods(tmp_path))
    engine.wait_level()
    two.kill()
    assert one.wait(240) == (1 if command is ENGINE else REBUILD)
    engine.produce(EVENTS // 2)
    one, two = (engine.start(*command, environ=environ) for environ in pods(tmp_path))
    states, letters, counts = engine.wait_level()
    if command is not ENGINE:
        one.terminate()
        two.terminate()
        assert (one.wait(240), two.wait(240)) == (OK, OK)
    wanted_states, wanted_letters, wanted_counts = engine.calm()
    assert states == wanted_states
    assert letters == wanted_letters
    assert counts == wanted_counts
