"""A model built anew from the retained log, next to the live one, and switched to."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.user_state import UserState
from serving.store import RedisStore
from serving.store.alias import Alias
from serving.store.wire import Wire
from tests.integration.kills import SMALL_MODEL, START_MS, Command, stream, wait_until
from tests.integration.test_workers import Outcome, outcome, reached
from tests.kafka import Kafka

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.kafka]

USERS = 500
READ = ("interactions", "impressions", "items", "forget")


class Shop:
    """Topics, a Redis, and the commands that run over them."""

    def __init__(self, kafka: Kafka, redis_url: str, directory: Path) -> None:
        self.kafka, self.url, self._directory = kafka, redis_url, directory
        self.topics = kafka.topics(partitions=4)
        self.wire = Wire(redis_url, timeout_s=5.0)
        self.environ: dict[str, str] = {}
        self._started: list[Command] = []
        self._stream = stream(1_000_000, users=USERS, seed=9)

    def produce(self, events: int) -> None:
        """Go on with the stream."""
        pairs = [next(self._stream) for _ in range(events)]
        self.kafka.produce(self.topics["interactions_topic"], pairs)

    def ends(self) -> dict[str, dict[int, int]]:
        return {topic: self.kafka.ends(topic) for topic in self._read()}

    def _read(self) -> list[str]:
        return [self.topics[f"{name}_topic"] for name in READ]

    def run(self, *arguments: str, model: str = "shop") -> Command:
        directory = self._directory / f"{len(self._started)}"
        directory.mkdir()
        environ = {
            **{f"RILLREC_KAFKA__{name.upper()}": topic for name, topic in self.topics.items()},
            **SMALL_MODEL,
            "RILLREC_KAFKA__BROKERS": self.kafka.brokers,
            "RILLREC_STORE__REDIS_URL": self.url,
            "RILLREC_MODEL__NAME": model,
            "RILLREC_FLOW__METRICS_PORT": "0",
            **self.environ,
        }
        command = Command(arguments, directory, environ)
        self._started.append(command)
        command.start()
        return command

    def store(self, model: str) -> RedisStore:
        return RedisStore(self.url, name=model)

    def wait_level(self, model: str, *commands: Command) -> Outcome:
        """Return what a model holds once it has absorbed all that the topics hold now."""
        store, ends = self.store(model), self.ends()
        wait_until(
            lambda: reached(store, {t: {p: e for p, e in x.items() if e} for t, x in ends.items()}),
            timeout_s=360,
            why=lambda: "\n".join(
                [
                    f"{model} at {store.low_marks()} of {ends}",
                    *(said(one)[-4_000:] for one in commands),
                ]
            ),
        )
        time.sleep(0.5)
        found = outcome(store)
        store.close()
        return found

    def calm(self) -> Outcome:
        """Return what a flow ends with that nothing happens to."""
        flow = self.run("flow", model="calm")
        self.wait_level("calm", flow)
        flow.end()
        return outcome(self.store("calm"))

    def destroy(self) -> None:
        for command in self._started:
            command.destroy()
        self.wire.close()


def said(command: Command) -> str:
    return command.log.read_text()


def wait_for(command: Command, text: str) -> None:
    wait_until(lambda: text in said(command), timeout_s=360, why=lambda: said(command))


def ended(command: Command) -> int:
    assert command.process is not None
    return command.process.wait(600)


def pid_of(command: Command) -> int:
    assert command.process is not None
    return command.process.pid


@pytest.fixture
def shop(kafka: Kafka, redis_url: str, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(kafka, redis_url, tmp_path)
    yield made
    made.destroy()


def without_marks(found: Outcome) -> tuple[object, ...]:
    states, letters, (absorbed, trained, *_) = found
    return states, letters, absorbed, trained


@pytest.mark.timeout(1_500)
def test_a_backfill_beside_a_live_flow_is_switched_to_and_nothing_is_lost_or_doubled(
    shop: Shop,
) -> None:
    shop.produce(8_000)
    flow = shop.run("flow")
    shop.wait_level("shop", flow)
    pid = pid_of(flow)
    shop.produce(2_000)
    backfill = shop.run("backfill", "--into", "shop-2", "--from", "earliest", "--switch")
    wait_for(backfill, "building 'shop-2' for 'shop'")
    for _ in range(10):  # while it reads
        shop.produce(200)
        time.sleep(0.2)
    assert ended(backfill) == 0, said(backfill)
    assert "'shop' stands for 'shop-2' now; `rillrec switch --back" in said(backfill)
    shop.produce(2_000)
    wait_for(flow, "'shop' stands for 'shop-2' now, and no more for 'shop'")
    found = shop.wait_level("shop-2", flow)
    assert pid_of(flow) == pid
    assert flow.running
    flow.end()
    assert "Traceback" not in said(flow) + said(backfill)
    assert without_marks(found) == without_marks(shop.calm())
    kinds = [
        json.loads(message.value())["kind"]
        for message in shop.kafka.consume(shop.topics["incidents_topic"])
    ]
    assert kinds == ["model_switched"]


@pytest.mark.timeout(1_500)
def test_a_backfill_that_is_killed_goes_on_by_the_same_command(shop: Shop) -> None:
    shop.produce(20_000)
    arguments = ("backfill", "--into", "shop-2", "--from", "earliest")
    first = shop.run(*arguments)
    store = shop.store("shop-2")
    wait_until(lambda: bool(store.version()), timeout_s=240, why=lambda: said(first))
    os.kill(pid_of(first), 9)
    ended(first)
    below = store.low_marks()
    assert below
    second = shop.run(*arguments)
    assert ended(second) == 0, said(second)
    assert "going on with 'shop-2' for 'shop'" in said(second)
    assert "'shop-2' is level; `rillrec switch shop-2 --model shop` has it served" in said(second)
    assert without_marks(outcome(store)) == without_marks(shop.calm())
    shop.produce(500)
    third = shop.run(*arguments)
    assert ended(third) == 0, said(third)
    assert outcome(store)[2][0] > shop.calm()[2][0] - 500
    assert Alias(shop.wire, "shop").serves() == "shop"


@pytest.mark.timeout(900)
def test_a_backfill_from_a_time_reads_what_came_since_and_all_items(shop: Shop) -> None:
    shop.kafka.produce(
        shop.topics["items_topic"],
        [(f"i{n}", b'{"item_id": "i%d", "title": "Title"}' % n) for n in range(50)],
    )
    shop.produce(1_000)
    time.sleep(0.1)
    since_ms = time.time_ns() // 1_000_000
    time.sleep(0.1)
    event = {
        "event_id": "only",
        "user_id": "late-comer",
        "item_id": "i1",
        "kind": "click",
        "time_ms": START_MS + 10_000_000_000,
    }
    topic = shop.topics["interactions_topic"]
    shop.kafka.produce(topic, [("late-comer", json.dumps(event).encode())])
    backfill = shop.run("backfill", "--into", "recent", "--from", str(since_ms))
    assert ended(backfill) == 0, said(backfill)
    store = shop.store("recent")
    states, _, (absorbed, *_) = outcome(store)
    assert absorbed == 1
    assert not states
    assert [visit.item_id for visit in users(store, "late-comer")["late-comer"].history] == ["i1"]
    assert store.low_marks()[shop.topics["items_topic"]]


def users(store: RedisStore, *user_ids: str) -> dict[str, UserState]:
    return store.read_users(user_ids)


@pytest.mark.timeout(900)
def test_who_was_forgotten_stays_forgotten_in_a_new_model_and_after_the_way_back(
    shop: Shop,
) -> None:
    shop.produce(2_000)
    flow = shop.run("flow")
    shop.wait_level("shop", flow)
    assert users(shop.store("shop"), "u1", "u2").keys() == {"u1", "u2"}
    forget = json.dumps({"user_id": "u1", "time_ms": time.time_ns() // 1_000_000}).encode()
    shop.kafka.produce(shop.topics["forget_topic"], [("u1", forget)])
    shop.wait_level("shop", flow)
    assert users(shop.store("shop"), "u1", "u2").keys() == {"u2"}
    backfill = shop.run("backfill", "--into", "shop-2", "--from", "earliest", "--switch")
    assert ended(backfill) == 0, said(backfill)
    assert users(shop.store("shop-2"), "u1", "u2").keys() == {"u2"}
    wait_for(flow, "'shop' stands for 'shop-2' now")
    shop.kafka.produce(shop.topics["forget_topic"], [("u3", forget.replace(b"u1", b"u3"))])
    shop.wait_level("shop-2", flow)
    for model in ("shop", "shop-2"):
        assert users(shop.store(model), "u1", "u2", "u3").keys() == {"u2"}
    back = shop.run("switch", "--back")
    assert ended(back) == 0, said(back)
    assert "'shop' stands for 'shop' now; `rillrec switch --back" in said(back)
    wait_for(flow, "'shop' stands for 'shop' now, and no more for 'shop-2'")
    assert users(shop.store("shop"), "u1", "u2").keys() == {"u2"}
    flow.end()
