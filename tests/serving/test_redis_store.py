"""What only a store in Redis does: bounds, expiry, and what becomes of Redis's own faults."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from schemas.errors import StoreError, StoreUnavailable
from schemas.keys import shard_of
from serving.store import DeadLetter, Erasure, RedisStore, ShardWrite
from serving.store.embedded import EmbeddedRedis
from serving.store.wire import Wire
from tests.serving.states import base, busy_user, publish, slates, user

pytestmark = pytest.mark.redis


@pytest.fixture
def wire(redis_url: str) -> Iterator[Wire]:
    made = Wire(redis_url, timeout_s=5.0)
    yield made
    made.close()


def written(name: str = "ann", visits: int = 3) -> ShardWrite:
    return ShardWrite(shard_of(name), {name: user(name, visits)}, {"events": {0: 1}})


def test_user_and_slates_expire_and_marks_do_not(redis_url: str, wire: Wire) -> None:
    store = RedisStore(redis_url, name="test", user_ttl_s=77, slates_ttl_s=55)
    store.write_shards([written()])
    store.write_shards([ShardWrite(shard_of("ann"), {}, {}, slates={"ann": slates("ann")})])
    assert wire.call("TTL", store.keys.user("ann")) in range(40, 78)
    assert wire.call("TTL", store.keys.slates("ann")) in range(20, 56)
    assert wire.call("TTL", store.keys.marks(shard_of("ann"))) == -1
    store.close()


def test_user_with_fifty_visits_is_small(redis_store: RedisStore, wire: Wire) -> None:
    write = ShardWrite(shard_of("u12345"), {"u12345": busy_user("u12345")}, {})
    redis_store.write_shards([write])
    # Ids and times are more random than real ones; 160 of the bytes are hashes of event ids.
    assert wire.call("MEMORY", "USAGE", redis_store.keys.user("u12345")) <= 800


def test_models_do_not_see_each_other(redis_url: str, redis_store: RedisStore) -> None:
    other = RedisStore(redis_url, name="other")
    redis_store.write_shards([written()])
    redis_store.append(publish(1))
    redis_store.append_events([("item", b"{}")])
    assert other.read_user("ann") == (None, {})
    assert (other.version(), other.read_events(0, count=1)) == (0, [])
    other.close()


def test_dead_letters_of_a_shard_are_bounded(redis_store: RedisStore, wire: Wire) -> None:
    dead = tuple(DeadLetter("t", 0, n, "item", "field", "bad", b"{}") for n in range(10_500))
    redis_store.write_shards([ShardWrite("s00", {}, {}, dead=dead)])
    assert 10_000 <= wire.call("XLEN", redis_store.keys.dead("s00")) <= 10_200


def test_erasures_are_remembered_for_so_long(redis_url: str, wire: Wire) -> None:
    store = RedisStore(redis_url, name="test", forget_memory_s=3_600)
    now_ms = time.time_ns() // 1_000_000
    old, new = [
        Erasure(name.encode(), now_ms - age_ms, "forget", 0, 1)
        for name, age_ms in (("old", 3_700_000), ("new", 3_500_000))
    ]
    store.write_shards([ShardWrite("s00", {}, {}, erased=(old,))])
    assert store.erased("s00") == {}
    store.write_shards([ShardWrite("s00", {}, {}, erased=(new,))])
    assert store.erased("s00") == {b"new": new.until_ms}
    assert wire.call("ZCARD", store.keys.erased("s00")) == 1
    wire.call("DEL", store.keys.audit("s00"))
    wire.call("XADD", store.keys.audit("s00"), f"{now_ms - 3_700_000}-0", "who", "ab")
    assert list(store.erasures()) == []
    store.close()


def test_key_of_the_hashes_is_shared_by_all_processes(redis_url: str) -> None:
    stores = [RedisStore(redis_url, name="test") for _ in range(3)]
    assert len({store.forget_key() for store in stores}) == 1
    for store in stores:
        store.close()


def test_audit_of_many_is_read_whole(redis_store: RedisStore) -> None:
    erased = tuple(Erasure(b"%016d" % n, 2**41, "forget", 0, n) for n in range(2_500))
    redis_store.write_shards([ShardWrite("s63", {}, {}, erased=erased)])
    assert [one.erasure for one in redis_store.erasures()] == list(erased)


def test_dead_letters_of_before_users_were_noted_are_read(
    redis_store: RedisStore, wire: Wire
) -> None:
    place = msgspec.msgpack.encode(("t", 0, 4))
    old = ("at", place, "t", "item", "r", "field", "m", "bad", "d", b'{"user_id": "ann"}')
    wire.call("XADD", redis_store.keys.dead("s00"), "*", *old)
    [letter] = redis_store.dead_letters()
    assert letter == DeadLetter("t", 0, 4, "item", "field", "bad", b'{"user_id": "ann"}')
    redis_store.write_shards([ShardWrite("s00", {}, {}, ("ann",))])
    assert redis_store.dead_letters() == []


def test_forgetting_finds_dead_letters_among_many(redis_store: RedisStore, wire: Wire) -> None:
    dead = tuple(
        DeadLetter("t", 0, n, "item", "field", "bad", b"{}", f"u{n % 700}") for n in range(2_500)
    )
    redis_store.write_shards([ShardWrite("s00", {}, {}, dead=dead)])
    redis_store.write_shards([ShardWrite("s00", {}, {}, ("u3", "u699"))])
    kept = redis_store.dead_letters(limit=10_000)
    assert kept == [one for one in dead if one.user_id not in ("u3", "u699")]
    assert b"u699" not in wire.call("DUMP", redis_store.keys.dead("s00"))


def test_lost_connection_is_found_again(own_redis: EmbeddedRedis) -> None:
    store = RedisStore(own_redis.url, name="test")
    store.write_shards([written()])
    own_redis.stop()
    with pytest.raises(StoreUnavailable, match=r"redis\.sock does not answer: .*is it running"):
        store.read_user("ann")
    own_redis.start()
    assert store.read_user("ann")[0] == user("ann")
    store.close()


def test_silent_redis_counts_as_lost(own_redis: EmbeddedRedis) -> None:
    store = RedisStore(own_redis.url, name="test", timeout_s=2.0)
    store.version()
    assert own_redis.pid
    os.kill(own_redis.pid, signal.SIGSTOP)
    started = time.monotonic()
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="Timeout reading"):
                store.read_user("ann")
    finally:
        os.kill(own_redis.pid, signal.SIGCONT)
    assert time.monotonic() - started < 30.0
    assert store.read_user("ann") == (None, {})
    store.close()


def test_wait_for_news_is_no_lost_connection(redis_url: str) -> None:
    store = RedisStore(redis_url, name="test", timeout_s=6.0)
    assert store.read_log(0, block_ms=60_000) == []
    store.close()


def test_full_redis_takes_nothing_of_a_write(own_redis: EmbeddedRedis) -> None:
    store, wire = RedisStore(own_redis.url, name="test"), Wire(own_redis.url, timeout_s=5.0)
    wire.call("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(StoreError, match="is full: raise its maxmemory"):
        store.write_shards([written("ann"), written("bob")])
    with pytest.raises(StoreError, match="is full: raise its maxmemory"):
        store.append(publish(1, until=5))
    with pytest.raises(StoreError, match="is full: raise its maxmemory"):
        store.append_events([("item", b"{}")])
    wire.call("CONFIG", "SET", "maxmemory", 0)
    assert store.read_users(["ann", "bob"]) == {}
    assert (store.version(), store.low_marks(), store.read_events(0, count=1)) == (0, {}, [])
    store.append(publish(1))
    store.close()
    wire.close()


def test_a_primary_that_became_a_replica_is_waited_for_and_its_address_looked_up_again(
    own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    address = tmp_path / "address"
    address.symlink_to(own_redis.url.removeprefix("unix://"))
    store, wire = RedisStore(f"unix://{address}", name="test"), Wire(own_redis.url, timeout_s=5.0)
    store.append(publish(1))
    with EmbeddedRedis(tmp_path / "other") as other:
        wire.call("REPLICAOF", "127.0.0.1", 1)
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="replica: name the primary, unless a fail-"):
                store.write_shards([written()])
        address.unlink()
        address.symlink_to(other.url.removeprefix("unix://"))
        store.write_shards([written()])
        store.close()
    wire.close()


def test_password_is_asked_for_and_never_repeated(own_redis: EmbeddedRedis) -> None:
    wire = Wire(own_redis.url, timeout_s=5.0)
    wire.call("CONFIG", "SET", "requirepass", "right")
    for url in (own_redis.url, own_redis.url.replace("unix://", "unix://:wrong-secret@")):
        store = RedisStore(url, name="test")
        with pytest.raises(StoreError, match="user or password") as refused:
            store.version()
        assert not isinstance(refused.value, StoreUnavailable)
        assert "secret" not in str(refused.value)
        store.close()
    store = RedisStore(own_redis.url.replace("unix://", "unix://:right@"), name="test")
    assert store.version() == 0
    store.close()
    wire.close()


def test_address_that_nobody_listens_on_is_named(tmp_path: Path) -> None:
    store = RedisStore("redis://:secret@127.0.0.1:1/3", name="test")
    with pytest.raises(StoreUnavailable, match=r"Redis at 127\.0\.0\.1:1/3 does not answer"):
        store.version()
    store.close()


def test_command_that_fails_inside_a_script_is_noticed_before_anything_is_written(
    redis_store: RedisStore, wire: Wire
) -> None:
    wire.call("SET", redis_store.keys.dead("s00"), "no stream")
    letter = DeadLetter("t", 0, 1, "item", "field", "bad", b"{}")
    with pytest.raises(StoreError, match=r"refused a command: .*WRONGTYPE"):
        redis_store.write_shards([ShardWrite("s00", {"ann": user("ann")}, {}, dead=(letter,))])
    assert redis_store.read_users(["ann"]) == {}


def test_scripts_that_redis_forgot_are_told_again(redis_store: RedisStore, wire: Wire) -> None:
    writes = [ShardWrite(f"s0{n}", {}, {"events": {0: 1}}, before={}) for n in range(3)]
    wire.call("SCRIPT", "FLUSH")
    redis_store.write_shards(writes)
    wire.call("SCRIPT", "FLUSH")
    redis_store.append(publish(1))
    assert redis_store.read_marks(["s00", "s02"]) == [{"events": {0: 1}}] * 2
    assert redis_store.version() == 1


def test_append_only_file_that_lost_its_end_leaves_a_shard_whole(
    own_redis: EmbeddedRedis,
) -> None:
    store, written_bytes = RedisStore(own_redis.url, name="test"), []
    aof = own_redis.directory / "appendonly.aof"
    for n in range(1, 4):
        before = {"events": {0: n - 1}} if n > 1 else {}
        store.write_shards(
            [ShardWrite(shard_of("ann"), {"ann": user("ann", n)}, {"events": {0: n}}, (),
                        (DeadLetter("t", 0, n, "item", "field", "bad", b"{}"),), before)]
        )  # fmt: skip
        written_bytes.append(aof.stat().st_size)
    own_redis.stop()
    whole = aof.read_bytes()
    for cut in range(written_bytes[1], written_bytes[2], 7):
        aof.write_bytes(whole[:cut])
        own_redis.start()
        assert store.read_user("ann") == (user("ann", 2), {"events": {0: 2}})
        assert len(store.dead_letters()) == 2
        own_redis.stop()
    store.close()


def test_transaction_that_redis_drops_is_noticed(redis_url: str, wire: Wire) -> None:
    other = Wire(redis_url, timeout_s=5.0)
    wire.call("WATCH", "key")
    other.call("SET", "key", "changed")
    with pytest.raises(StoreError, match="answered EXEC with None"):
        wire.transact([[("SET", "key", "mine")]])
    other.close()


def test_damaged_values_are_named(redis_store: RedisStore, wire: Wire) -> None:
    keys = redis_store.keys
    wire.call("SET", keys.user("ann"), b"\x07junk")
    with pytest.raises(StoreError, match=r"state of user 'ann' can't be read: .*format"):
        redis_store.read_user("ann")
    wire.call("SET", keys.slates("ann"), b"\x07junk")
    with pytest.raises(StoreError, match=r"slates of user 'ann' can't be read: .*format"):
        redis_store.read_slates(["ann"])
    wire.call("SET", keys.marks("s00"), b"\xc1")
    with pytest.raises(StoreError, match="marks of a shard can't be read"):
        redis_store.read_marks(["s00"])
    wire.call("SET", keys.low, b"\xc1")
    with pytest.raises(StoreError, match="low-water marks can't be read"):
        redis_store.low_marks()
    wire.call("XADD", keys.log, "1-0", "d", b"junk")
    with pytest.raises(StoreError, match="log entry 1-0 of the model can't be read"):
        redis_store.read_log(0)


def test_base_of_an_earlier_version_is_told(redis_store: RedisStore, wire: Wire) -> None:
    redis_store.append(publish(1))
    redis_store.put_base(base(1))
    wire.call("SET", redis_store.keys.base(1), b"as it was")
    with pytest.raises(StoreError, match=r"is of an earlier version of Rillrec.* another name"):
        redis_store.newest_base()


def test_base_that_redis_dropped_is_missed(redis_store: RedisStore, wire: Wire) -> None:
    redis_store.append(publish(1))
    redis_store.put_base(base(1))
    wire.call("DEL", redis_store.keys.base(1))
    with pytest.raises(StoreError, match=r"names version 1, but its base is gone.*noeviction"):
        redis_store.newest_base()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "a b"}, "model name 'a b' is unusable"),
        ({"name": "m", "user_ttl_s": 0}, "user_ttl_s is 0, it must be positive"),
        ({"name": "m", "slates_ttl_s": 0}, "slates_ttl_s is 0, it must be positive"),
        ({"name": "m", "timeout_s": 0.0}, r"timeout_s is 0\.0, it must be positive"),
    ],
)
def test_unusable_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RedisStore("redis://127.0.0.1:1", **options)  # type: ignore[arg-type]


def test_a_redis_that_refuses_to_rewrite_its_file_is_left_to_its_keepers(
    redis_store: RedisStore, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    redis_store.rewrite_file()
    assert not caplog.messages
    wire.call("ACL", "SETUSER", "default", "-bgrewriteaof")
    try:
        redis_store.rewrite_file()
    finally:
        wire.call("ACL", "SETUSER", "default", "+bgrewriteaof")
    assert "run redis-check-aof --fix on it before Redis is started again" in caplog.text
