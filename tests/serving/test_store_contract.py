"""What every store does. Each test runs over each of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from schemas.errors import StoreError
from schemas.keys import shard_of, shards
from serving.store import DeadLetter, MemoryStore, RedisStore, ShardWrite, Store
from tests.serving.states import publish, user


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    made: Store
    if request.param == "memory":
        made = MemoryStore()
    else:
        made = RedisStore(request.getfixturevalue("redis_url"), name="test")
    yield made
    made.close()


def letter(offset: int, topic: str = "events", payload: bytes = b"{}") -> DeadLetter:
    return DeadLetter(topic, 0, offset, "interaction", "field", "no `$.user_id`", payload)


def test_state_and_marks_are_read_as_they_were_written(store: Store) -> None:
    shard, marks = shard_of("ann"), {"events": {0: 7}, "other": {3: 2**62}}
    store.write_shards([ShardWrite(shard, {"ann": user("ann")}, marks)])
    assert store.read_user("ann") == (user("ann"), marks)
    assert store.read_users(["ann", "bob"]) == {"ann": user("ann")}
    assert store.read_marks([shard, "s99"]) == [marks, {}]


def test_nothing_is_known_of_a_new_model(store: Store) -> None:
    assert store.read_user("ann") == (None, {})
    assert store.read_users([]) == {}
    assert store.read_marks([]) == []
    assert store.read_log(0) == []
    assert (store.version(), store.low_marks(), store.newest_base()) == (0, {}, None)
    assert store.read_events(0, count=10) == []
    assert store.dead_letters() == []
    assert store.lease_owner() is None


def test_user_of_any_id_is_kept(store: Store) -> None:
    ids = ["ünï", "{brace}", "a b", "rillrec:x", "*", "🙂" * 60]
    for user_id in ids:
        store.write_shards([ShardWrite(shard_of(user_id), {user_id: user(user_id)}, {})])
    assert store.read_users(ids) == {user_id: user(user_id) for user_id in ids}


def test_forgotten_user_is_gone_and_may_come_back_in_the_same_write(store: Store) -> None:
    shard = shard_of("ann")
    store.write_shards([ShardWrite(shard, {"ann": user("ann", 5)}, {})])
    store.write_shards([ShardWrite(shard, {}, {}, forgotten=("ann", "never-seen"))])
    assert store.read_user("ann")[0] is None
    store.write_shards([ShardWrite(shard, {"ann": user("ann", 1)}, {}, forgotten=("ann",))])
    assert store.read_user("ann")[0] == user("ann", 1)


def test_marks_that_the_caller_goes_on_changing_stay_as_written(store: Store) -> None:
    marks = {"events": {0: 7}}
    store.write_shards([ShardWrite("s00", {}, marks)])
    marks["events"][0] = 99
    [read] = store.read_marks(["s00"])
    assert read == {"events": {0: 7}}
    read["events"][0] = 99
    assert store.read_marks(["s00"]) == [{"events": {0: 7}}]


def test_shards_are_written_together(store: Store) -> None:
    store.write_shards(
        [ShardWrite(shard, {}, {"events": {0: n}}) for n, shard in enumerate(shards())]
    )
    assert store.read_marks(shards()) == [{"events": {0: n}} for n in range(64)]
    store.write_shards([])


def test_dead_letters_keep_their_bytes_and_come_in_order(store: Store) -> None:
    odd = letter(2, payload=b"\x00\xff{" * 1_000)
    store.write_shards(
        [
            ShardWrite("s01", {}, {}, dead=(letter(3), letter(5))),
            ShardWrite("s00", {}, {}, dead=(odd, letter(1, "a"))),
        ]
    )
    assert store.dead_letters() == [letter(1, "a"), odd, letter(3), letter(5)]
    assert store.dead_letters(limit=1) == [letter(5)]


def test_log_is_read_after_a_version(store: Store) -> None:
    for version in (1, 2, 3):
        store.append(publish(version, until=version * 100))
    assert store.read_log(0) == [publish(v, until=v * 100) for v in (1, 2, 3)]
    assert store.read_log(1, count=1) == [publish(2, until=200)]
    assert store.read_log(3) == []
    assert (store.version(), store.low_marks()) == (3, {"events": {0: 300}})


@pytest.mark.parametrize("version", [0, 1, 2])
def test_second_publisher_of_a_version_is_refused_and_moves_no_mark(
    store: Store, version: int
) -> None:
    store.append(publish(1, until=100))
    store.append(publish(2, until=200))
    with pytest.raises(StoreError, match=f"version {version} is not newer than 2.*another flow"):
        store.append(publish(version, until=900))
    assert store.low_marks() == {"events": {0: 200}}
    assert len(store.read_log(0)) == 2


def test_reader_of_the_log_is_woken_by_a_publish(store: Store) -> None:
    publisher = threading.Timer(0.05, store.append, [publish(1)])
    publisher.start()
    started = time.monotonic()
    assert store.read_log(0, block_ms=2_000) == [publish(1)]
    assert time.monotonic() - started < 1.5
    publisher.join()


def test_wait_for_news_ends_empty_handed(store: Store) -> None:
    assert store.read_log(0, block_ms=20) == []
    assert store.read_events(0, count=5, block_ms=20) == []


def test_three_newest_bases_stay_and_the_log_behind_them_goes(store: Store) -> None:
    for version in range(1, 10):
        store.append(publish(version))
        if version % 2 == 0:
            store.put_base(publish(version, until=1))
    assert store.newest_base() == publish(8, until=1)
    assert [p.progress.version for p in store.read_log(0)] == [5, 6, 7, 8, 9]
    store.put_base(publish(8, until=2))
    assert store.newest_base() == publish(8, until=2)
    assert store.version() == 9
    store.put_base(publish(10))
    assert store.version() == 10


def test_events_are_read_from_their_positions(store: Store) -> None:
    sent = [("interaction", b'{"a": 1}'), ("item", b"\x00\xff"), ("", b"")]
    positions = store.append_events(sent)
    offsets = [position.offset for position in positions]
    assert {(p.topic, p.partition) for p in positions} == {("events", 0)}
    assert offsets == sorted(set(offsets))
    stored = [(offset, *event) for offset, event in zip(offsets, sent, strict=True)]
    assert store.read_events(0, count=10) == stored
    assert store.read_events(offsets[1], count=10) == stored[1:]
    assert store.read_events(offsets[1] + 1, count=1) == stored[2:]
    assert store.read_events(offsets[2] + 1, count=1) == []
    assert store.append_events([]) == []


def test_positions_grow_from_call_to_call(store: Store) -> None:
    positions = [store.append_events([("item", b"{}")] * 20) for _ in range(20)]
    flat = [position.offset for group in positions for position in group]
    assert flat == sorted(set(flat))


def test_reader_of_events_is_woken_by_one(store: Store) -> None:
    producer = threading.Timer(0.05, store.append_events, [[("item", b"{}")]])
    producer.start()
    [(_, event_type, payload)] = store.read_events(0, count=5, block_ms=2_000)
    assert (event_type, payload) == ("item", b"{}")
    producer.join()


def test_trimmed_events_are_gone_and_later_ones_stay(store: Store) -> None:
    first, second, third = store.append_events([("item", b"1"), ("item", b"2"), ("item", b"3")])
    store.trim_events(second.offset)
    assert [offset for offset, _, _ in store.read_events(0, count=9)] == [
        second.offset,
        third.offset,
    ]
    store.trim_events(third.offset + 1)
    assert store.read_events(first.offset, count=9) == []
    [fourth] = store.append_events([("item", b"4")])
    assert fourth.offset > third.offset


def test_lease_is_held_by_one_owner_at_a_time(store: Store) -> None:
    token = store.acquire("host:1", 60_000)
    assert token is not None
    assert store.acquire("host:2", 60_000) is None
    assert store.lease_owner() == "host:1"
    assert store.renew(token, 60_000)
    store.release(token)
    assert store.lease_owner() is None
    assert not store.renew(token, 60_000)
    assert store.acquire("host:2", 60_000) is not None
    store.release(token)
    assert store.lease_owner() == "host:2"


def test_owner_that_comes_back_takes_its_lease_over(store: Store) -> None:
    before = store.acquire("a:b", 60_000)
    after = store.acquire("a:b", 60_000)
    assert before is not None
    assert after is not None
    assert not store.renew(before, 60_000)
    assert store.renew(after, 60_000)


def test_lease_runs_out(store: Store) -> None:
    token = store.acquire("host:1", 20)
    assert token is not None
    time.sleep(0.05)
    assert store.lease_owner() is None
    assert not store.renew(token, 20)
    assert store.acquire("host:2", 20) is not None
