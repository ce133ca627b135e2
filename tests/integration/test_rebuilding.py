"""A flow that is built anew in its process: Redis lost writes, partitions came; Redis was away."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import count, islice
from pathlib import Path

import pytest
from confluent_kafka.cimpl import NewPartitions

from rillrec.ports import quiet_ports
from serving.store.embedded import EmbeddedRedis
from serving.store.wire import Wire
from tests.integration.kills import power_cut, synced_bytes
from tests.integration.test_backfill import Shop, pid_of, said, wait_for, without_marks
from tests.kafka import Kafka

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.kafka]

OUTAGE_S = 30.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis for one test, which may kill it."""
    with EmbeddedRedis(tmp_path / "own-redis", fsync="everysec") as server:
        yield server


@pytest.fixture
def shop(kafka: Kafka, redis: EmbeddedRedis, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(kafka, redis.url, tmp_path)
    yield made
    made.destroy()


def incidents(shop: Shop) -> list[str]:
    messages = shop.kafka.consume(shop.topics["incidents_topic"])
    return [json.loads(message.value())["kind"] for message in messages]


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_redis_that_lost_writes_is_caught_up_by_the_same_process(
    shop: Shop, redis: EmbeddedRedis, workers: str
) -> None:
    dice = random.Random(7)
    shop.produce(6_000)
    flow = shop.run("flow", "--workers", workers)
    shop.wait_level("shop", flow)
    pid = pid_of(flow)
    for _ in range(2):
        shop.produce(1_500)
        shop.wait_level("shop", flow)
        synced = synced_bytes(redis.url)
        redis.kill()
        assert power_cut(redis.directory / "appendonly.aof", dice, synced_bytes=synced)
        redis.start()
        shop.produce(1_500)
        shop.wait_level("shop", flow)
    found = shop.wait_level("shop", flow)
    assert pid_of(flow) == pid
    assert flow.running
    flow.end()
    assert said(flow).count("building the flow anew, from what the store holds: ") >= 1
    assert "Traceback" not in said(flow)
    assert "panicked" not in said(flow)
    assert "store_rolled_back" in incidents(shop)
    assert without_marks(found) == without_marks(shop.calm())


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("processes", ["1", "2"])
def test_partitions_that_come_are_read(shop: Shop, processes: str) -> None:
    shop.environ["RILLREC_KAFKA__REFRESH_PARTITIONS_S"] = "1"
    shop.produce(2_000)
    flow = shop.run("flow", "--processes", processes)
    shop.wait_level("shop", flow)
    topic = shop.topics["interactions_topic"]
    shop.kafka.admin.create_partitions([NewPartitions(topic, 6)])[topic].result(30)
    event = {"user_id": "new", "item_id": "i1", "kind": "click", "time_ms": 1_760_000_000_000}
    for partition in (4, 5):
        payload = json.dumps({**event, "event_id": f"p{partition}"}).encode()
        shop.kafka.produce(topic, [("new", payload)], partition=partition)
    wait_for(flow, f"{topic} has 6 partitions, and had 4 when the flow was built")
    shop.wait_level("shop", flow)
    [new] = shop.store("shop").read_users(["new"]).values()
    assert len(new.history) == 2
    flow.end()
    assert "Traceback" not in said(flow)
    if processes == "1":
        assert "building the flow anew" in said(flow)
    else:
        assert "starting all 2 processes of the flow again" in said(flow)


@pytest.mark.timeout(1_200)
def test_a_redis_that_is_away_for_half_a_minute_is_waited_for(
    shop: Shop, redis: EmbeddedRedis
) -> None:
    shop.produce(2_000)
    flow = shop.run("flow")
    shop.wait_level("shop", flow)
    redis.kill()
    shop.produce(2_000)
    time.sleep(OUTAGE_S)
    assert flow.running
    redis.start()
    found = shop.wait_level("shop", flow)
    flow.end()
    assert "waiting for the store, 0 s so far: Redis at" in said(flow)
    assert "the store answers again, after" in said(flow)
    assert "building the flow anew" not in said(flow)
    assert incidents(shop) == ["store_away"]
    assert without_marks(found) == without_marks(shop.calm())


@pytest.mark.timeout(1_200)
def test_a_fail_over_to_a_replica_that_lacks_the_last_writes_is_gone_through(
    kafka: Kafka, tmp_path: Path
) -> None:
    address, ports = tmp_path / "redis", quiet_ports(2)
    with (
        EmbeddedRedis(tmp_path / "one", port=ports[0], fsync="everysec") as primary,
        EmbeddedRedis(tmp_path / "two", port=ports[1], fsync="everysec") as replica,
        closing(Wire(primary.url, timeout_s=5.0)) as old,
        closing(Wire(replica.url, timeout_s=5.0)) as new,
        ExitStack() as stack,
    ):
        address.symlink_to(primary.url.removeprefix("unix://"))
        shop = Shop(kafka, f"unix://{address}", tmp_path)
        stack.callback(shop.destroy)
        new.call("REPLICAOF", "127.0.0.1", ports[0])
        shop.produce(2_000)
        flow = shop.run("flow")
        shop.wait_level("shop", flow)
        old.call("SET", "probe", 1)
        assert old.call("WAIT", 1, 10_000) == 1
        new.call("REPLICAOF", "NO", "ONE")  # cut off; nobody has noticed yet
        shop.produce(1_000)
        shop.wait_level("shop", flow)
        old.call("REPLICAOF", "127.0.0.1", ports[1])
        shop.produce(1_000)
        wait_for(flow, "is a read-only replica: name the primary, unless a fail-over is under way")
        address.unlink()
        address.symlink_to(replica.url.removeprefix("unix://"))
        found = shop.wait_level("shop", flow)
        flow.end()
        assert "building the flow anew, from what the store holds: " in said(flow)
        assert "Traceback" not in said(flow)
        assert without_marks(found) == without_marks(shop.calm())


@pytest.mark.timeout(600)
def test_what_a_flow_can_not_go_on_with_is_an_incident_and_ends_it(shop: Shop) -> None:
    topic = shop.topics["interactions_topic"]
    shop.produce(500)
    flow = shop.run("flow")
    shop.wait_level("shop", flow)
    shop.kafka.admin.delete_topics([topic])[topic].result(30)
    assert flow.process is not None
    assert flow.process.wait(360) == 4
    assert f"has no topic '{topic}': create it (`rillrec topics create`)" in said(flow)
    assert incidents(shop) == ["flow_failed"]


@pytest.mark.timeout(900)
def test_where_new_models_begin_is_for_new_models_and_from_is_for_once(shop: Shop) -> None:
    shop.environ["RILLREC_KAFKA__START"] = "latest"
    events, absorbed = clicks(), []
    produce(shop, events, 400)
    for arguments in ((), (), ("--from", "latest")):
        flow = shop.run("flow", *arguments)
        wait_for(flow, f"reading {shop.topics['forget_topic']}/3 from offset")
        shop.wait_level("shop", flow)
        produce(shop, events, 100)
        _, _, (number, *_) = shop.wait_level("shop", flow)
        absorbed.append(number)
        flow.end()
        produce(shop, events, 50)
    # The first begins behind 400, the second where the first ended, the third behind 50 more.
    assert absorbed == [100, 250, 350]


def clicks() -> Iterator[tuple[str, bytes]]:
    """Yield clicks of which none is refused."""
    for n in count():
        event = {"event_id": f"c{n}", "user_id": f"u{n % 50}", "item_id": f"i{n % 30}"}
        event |= {"kind": "click", "time_ms": 1_760_000_000_000 + n}
        yield event["user_id"], json.dumps(event).encode()


def produce(shop: Shop, events: Iterator[tuple[str, bytes]], number: int) -> None:
    shop.kafka.produce(shop.topics["interactions_topic"], islice(events, number))
