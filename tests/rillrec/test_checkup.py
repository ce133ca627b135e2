"""What the doctor finds, on real servers in the states that it warns of."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from online_models.state import ModelState
from rillrec import checkup
from rillrec.checkup import Finding
from schemas.model_log import Progress, Publish
from schemas.settings import Settings
from serving.store import DeadLetter, RedisStore, ShardWrite
from serving.store.embedded import EmbeddedRedis
from serving.store.wire import Wire

pytestmark = pytest.mark.redis


@pytest.fixture
def store(redis_url: str) -> Iterator[RedisStore]:
    store = RedisStore(redis_url, name="shop")
    yield store
    store.close()


def by_name(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def a_base(version: int) -> Publish:
    state = ModelState()
    state.progress = Progress(version=version, trained=7, time_ms=int(time.time() * 1000))
    return state.snapshot()


def test_the_embedded_redis_is_in_order(redis_url: str) -> None:
    found = by_name(checkup.check_redis(redis_url))
    assert [finding.status for finding in found.values()] == ["ok", "ok", "ok"]
    assert found["redis"].detail.startswith("answers, version 6.")


def test_a_redis_that_is_not_there_fails() -> None:
    (found,) = checkup.check_redis("redis://127.0.0.1:1")
    assert (found.name, found.status) == ("redis", "fail")
    assert "127.0.0.1:1" in found.detail
    assert found.remedy == "start it, or correct store.redis_url"


def test_a_redis_that_may_lose_or_drop_data_is_told(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server:
        wire = Wire(server.url, timeout_s=5.0)
        wire.call("CONFIG", "SET", "appendonly", "no")
        wire.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        wire.close()
        found = by_name(checkup.check_redis(server.url))
    assert found["redis appendonly"].status == "warn"
    assert found["redis eviction"].status == "fail"
    assert "allkeys-lru" in found["redis eviction"].detail


def test_a_replica_is_told(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server:
        wire = Wire(server.url, timeout_s=5.0)
        wire.call("REPLICAOF", "127.0.0.1", "1")
        wire.close()
        found = by_name(checkup.check_redis(server.url))
    assert found["redis role"].remedy == "name the primary"


@pytest.mark.parametrize(
    ("version", "status"), [("5.0.14", "fail"), ("6.0.9", "fail"), ("6.2.14", "ok"), ("8.1", "ok")]
)
def test_old_servers_fail(version: str, status: str) -> None:
    assert checkup._check_version(version).status == status


def test_no_model_yet_is_a_warning(store: RedisStore) -> None:
    found = checkup.check_model(store)
    assert found.status == "warn"
    assert "none called 'shop' is published yet" in found.detail


def test_a_published_model_is_described(store: RedisStore) -> None:
    for version in (1, 2, 3):
        store.append(Publish(Progress(version=version), ()))
    store.put_base(a_base(3))
    found = checkup.check_model(store)
    assert found.status == "ok"
    assert found.detail.startswith("version 3: 0 items, learnt from 7 events")


def test_a_log_with_a_hole_fails(store: RedisStore, redis_url: str) -> None:
    for version in (1, 2):
        store.append(Publish(Progress(version=version), ()))
    wire = Wire(redis_url, timeout_s=3.0)
    wire.call("XDEL", store.keys.log, "1-0")
    wire.close()
    found = checkup.check_model(store)
    assert found.status == "fail"
    assert "version" in found.detail


def test_a_backlog_is_counted_and_an_old_one_is_a_warning(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checkup.check_backlog(store).detail == "everything tracked is in the published model"
    (first, _) = store.append_events([("forget", b"{}"), ("forget", b"{}")])
    fresh = checkup.check_backlog(store)
    assert fresh.status == "ok"
    assert fresh.detail.startswith("2 events wait to be learnt")
    monkeypatch.setattr(checkup, "STALE_S", -1.0)
    assert checkup.check_backlog(store).status == "warn"
    store.append(Publish(Progress(version=1, marks={"events": {0: first.offset + 1}}), ()))
    assert checkup.check_backlog(store).detail.startswith("1 events wait")


def test_dead_letters_are_told_with_the_newest_reason(store: RedisStore) -> None:
    assert checkup.check_dead_letters(store).status == "ok"
    letter = DeadLetter("events", 0, 5, "interaction", "time", "before 1990", b"{}")
    store.write_shards([ShardWrite("s00", {}, {"events": {0: 6}}, dead=(letter,))])
    found = checkup.check_dead_letters(store)
    assert (found.status, found.detail) == ("warn", "1 refused; the newest: time, before 1990")


def test_whether_a_flow_runs_is_told_by_its_lease(store: RedisStore) -> None:
    assert checkup.check_flow(store).status == "warn"
    store.acquire("flow-1", 10_000)
    assert checkup.check_flow(store).detail == "flow-1 learns"


def test_a_scorer_that_does_not_answer_is_a_warning() -> None:
    found = checkup.check_scorer(Settings(serve={"port": 1}))
    assert (found.status, found.detail) == ("warn", "none answers on 127.0.0.1:1")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0.0 s"),
        (1.25, "1.2 s"),
        (119, "119.0 s"),
        (120, "2 min"),
        (7_200, "2 h"),
        (1e9, "11,574 days"),
    ],
)
def test_spans_are_told_as_people_say_them(seconds: float, said: str) -> None:
    assert checkup._span(seconds) == said
