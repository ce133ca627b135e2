"""What every store does. Each test runs over each of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from schemas.errors import StoreError, StoreRolledBack
from schemas.forgetting import digest_of
from schemas.keys import shard_of, shards
from schemas.model_log import Publish, Sightings
from serving.store import DeadLetter, Erasure, MemoryStore, RedisStore, ShardWrite, Store
from tests.patience import PATIENCE_S
from tests.serving.states import base, publish, slates, user

NOW_MS = time.time_ns() // 1_000_000


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    made: Store
    if request.param == "memory":
        made = MemoryStore()
    else:
        made = RedisStore(request.getfixturevalue("redis_url"), name="test")
    yield made
    made.close()


def read_patiently(read: Callable[[], list[Any]]) -> list[Any]:
    """Return what a store gives: where the machine stands still, one wait ends empty-handed."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := read()):
        assert time.monotonic() < deadline_s, "nobody was woken"
    return found


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


def test_slates_are_read_as_they_were_written(store: Store) -> None:
    shard = shard_of("ann")
    store.write_shards([ShardWrite(shard, {}, {}, slates={"ann": slates("ann"), "bob": None})])
    assert store.read_slates(["ann", "bob", "eve"]) == {"ann": slates("ann")}
    store.write_shards([ShardWrite(shard, {}, {}, slates={"ann": slates("ann", open=1)})])
    assert store.read_slates(["ann"]) == {"ann": slates("ann", open=1)}
    store.write_shards([ShardWrite(shard, {}, {}, slates={"ann": None})])
    assert store.read_slates(["ann"]) == {}
    assert store.read_slates([]) == {}


def test_slates_of_a_forgotten_user_are_gone_and_may_come_back_in_the_same_write(
    store: Store,
) -> None:
    shard, states = shard_of("ann"), {"ann": user("ann")}
    store.write_shards([ShardWrite(shard, states, {}, slates={"ann": slates("ann", open=3)})])
    store.write_shards([ShardWrite(shard, states, {}, ("ann",))])
    assert store.read_slates(["ann"]) == {}
    new = slates("ann", open=1)
    store.write_shards([ShardWrite(shard, {}, {}, ("ann",), slates={"ann": new})])
    assert (store.read_user("ann")[0], store.read_slates(["ann"])) == (None, {"ann": new})


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


def test_write_continues_what_the_shard_holds(store: Store) -> None:
    shard, one, two = shard_of("ann"), {"b": {1: 4, 0: 2}, "a": {0: 1}}, {"a": {0: 1}, "b": {0: 3}}
    store.write_shards([ShardWrite(shard, {"ann": user("ann", 1)}, one, before={})])
    again = {"a": {0: 1}, "b": {0: 2, 1: 4}}
    store.write_shards([ShardWrite(shard, {"ann": user("ann", 2)}, two, before=again)])
    assert store.read_user("ann") == (user("ann", 2), two)


def test_write_whose_reply_was_lost_is_written_once(store: Store) -> None:
    marks = {"events": {0: 7}}
    first = ShardWrite("s00", {"ann": user("ann", 1)}, marks, dead=(letter(6),), before={})
    for _ in range(2):
        store.write_shards([first])
    assert store.dead_letters() == [letter(6)]
    second = ShardWrite("s00", {}, {"events": {0: 9}}, ("ann",), (letter(8),), marks)
    for _ in range(2):
        store.write_shards([ShardWrite("s01", {}, {"events": {0: 1}}), second])
    assert store.dead_letters() == [letter(6), letter(8)]


def test_write_to_a_shard_that_stands_elsewhere_is_refused_whole(store: Store) -> None:
    stands, expected = {"events": {0: 7}}, {"events": {0: 8}}
    store.write_shards([ShardWrite(shard_of("ann"), {"ann": user("ann", 1)}, stands)])
    late = ShardWrite(
        shard_of("ann"), {"ann": user("ann", 2)}, {"events": {0: 9}}, dead=(letter(8),),
        before=expected,
    )  # fmt: skip
    with pytest.raises(StoreRolledBack) as refused:
        store.write_shards([late])
    assert f"shard {late.shard} stands at {stands} and not at {expected}" in str(refused.value)
    assert store.read_user("ann") == (user("ann", 1), stands)
    assert store.dead_letters() == []
    with pytest.raises(StoreRolledBack, match=r"s33 stands at \{\} and not at"):
        store.write_shards([ShardWrite("s33", {}, {"events": {0: 9}}, before=expected)])


def test_write_that_advances_no_mark_could_not_be_told_from_its_repetition(store: Store) -> None:
    marks = {"events": {0: 7}}
    with pytest.raises(ValueError, match=r"write to shard s00 does not advance its marks, \{'ev"):
        store.write_shards([ShardWrite("s00", {}, marks, before=marks)])


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


def erasure(name: str, until_ms: int, store: Store, offset: int = 7) -> Erasure:
    return Erasure(digest_of(name, store.forget_key()), until_ms, "forget", 3, offset)


def test_dead_letters_of_a_forgotten_user_are_gone_and_newer_ones_stay(store: Store) -> None:
    ann = [
        letter(1, payload=b'{"user_id": "ann", "item_id": 5}'),
        msgspec.structs.replace(letter(2, payload=b"a line of CSV, of ann"), user_id="ann"),
    ]
    bob = [letter(3, payload=b'{"user_id": "bob"}'), letter(4, payload=b"not of ann")]
    store.write_shards([ShardWrite("s00", {}, {}, dead=(*ann, *bob))])
    assert store.dead_letters() == [*ann, *bob]
    newer = msgspec.structs.replace(ann[0], offset=9)
    store.write_shards([ShardWrite("s00", {}, {}, ("ann", "eve"), dead=(newer,))])
    assert store.dead_letters() == [*bob, newer]
    store.write_shards([ShardWrite("s00", {}, {}, ("bob",))])
    assert store.dead_letters() == [bob[1], newer]


def test_who_was_forgotten_is_remembered_by_shard_and_until_the_latest_time(store: Store) -> None:
    assert store.erased("s00") == {}
    ann, bob = erasure("ann", NOW_MS, store), erasure("bob", NOW_MS, store)
    store.write_shards([ShardWrite("s00", {}, {}, erased=(ann, bob))])
    earlier = erasure("ann", NOW_MS - 5, store)
    later = erasure("bob", NOW_MS + 5, store)
    store.write_shards([ShardWrite("s00", {}, {}, erased=(earlier, later))])
    assert store.erased("s00") == {ann.digest: NOW_MS, bob.digest: NOW_MS + 5}
    assert store.erased("s01") == {}


def test_audit_tells_of_every_erasure_and_when(store: Store) -> None:
    before_ms = time.time_ns() // 1_000_000
    written = [erasure("ann", NOW_MS, store, 1), erasure("ann", NOW_MS, store, 2)]
    other = erasure("bob", NOW_MS, store, 3)
    store.write_shards([ShardWrite("s07", {}, {}, erased=(other,))])
    for one in written:
        store.write_shards([ShardWrite("s00", {}, {}, erased=(one,))])
    told = list(store.erasures())
    assert [(one.shard, one.erasure) for one in told] == [
        ("s00", written[0]), ("s00", written[1]), ("s07", other)
    ]  # fmt: skip
    assert all(before_ms <= one.when_ms <= before_ms + 60_000 for one in told)


def test_erasure_whose_reply_was_lost_is_told_once(store: Store) -> None:
    write = ShardWrite("s00", {}, {"t": {0: 1}}, before={}, erased=(erasure("a", NOW_MS, store),))
    for _ in range(2):
        store.write_shards([write])
    assert len(list(store.erasures())) == 1


def test_key_of_the_hashes_is_made_once(store: Store) -> None:
    assert len(store.forget_key()) == 32
    assert store.forget_key() == store.forget_key()


def test_erasures_of_another_model_are_adopted_with_their_key(store: Store) -> None:
    other = MemoryStore(now_ms=lambda: NOW_MS)
    store.adopt_erasures(other)
    assert store.forget_key() == other.forget_key()  # before anybody was forgotten
    other.write_shards(
        [ShardWrite(s, {}, {}, erased=(erasure(s, NOW_MS, other),)) for s in ("s00", "s09")]
    )
    for _ in range(2):
        store.adopt_erasures(other)
    assert store.forget_key() == other.forget_key()
    assert list(store.erasures()) == list(other.erasures())
    assert store.erased("s09") == other.erased("s09") != {}
    other.write_shards([ShardWrite("s09", {}, {}, erased=(erasure("new", NOW_MS + 9, other),))])
    store.adopt_erasures(other)
    assert store.erased("s09") == other.erased("s09")


def test_erasures_under_another_key_are_not_adopted(store: Store) -> None:
    other = MemoryStore()
    store.write_shards([ShardWrite("s00", {}, {}, erased=(erasure("a", NOW_MS, store),))])
    other.write_shards([ShardWrite("s00", {}, {}, erased=(erasure("b", NOW_MS, other),))])
    with pytest.raises(StoreError, match=r"under a key of its own: .* into a new model"):
        store.adopt_erasures(other)
    assert len(store.erased("s00")) == 1


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
        store.append(publish(version, until=900), held={"s00": {"events": {0: 900}}})
    assert (store.low_marks(), store.held()) == ({"events": {0: 200}}, {})
    assert len(store.read_log(0)) == 2


def test_publish_whose_reply_was_lost_is_appended_once(store: Store) -> None:
    store.append(publish(1, until=100))
    for _ in range(2):
        store.append(publish(2, until=200), held={"s00": {"events": {0: 150}}})
    assert store.read_log(0) == [publish(1, until=100), publish(2, until=200)]
    store.put_base(base(2, until=200))
    with pytest.raises(StoreError, match="another flow publishes"):
        store.append(publish(2, until=200))


def test_publish_that_follows_lost_ones_is_refused(store: Store) -> None:
    with pytest.raises(StoreRolledBack, match="ends at version 0 and not at 4: the store lost"):
        store.append(publish(5))
    store.append(publish(1, until=100))
    with pytest.raises(StoreRolledBack, match=r"at version 1 and not at 2.*started again goes"):
        store.append(publish(3, until=900))
    assert (store.version(), store.low_marks()) == (1, {"events": {0: 100}})


def test_marks_of_shards_are_recorded_with_publishes(store: Store) -> None:
    marks = {"events": {0: 2**62}, "other": {0: 1, 3: 2}}
    store.append(publish(1), held={"s00": marks, "s07": {"events": {0: 1}}})
    store.append(publish(2), held={"s07": {"events": {0: 5}}})
    store.append(publish(3))
    assert store.held() == {"s00": marks, "s07": {"events": {0: 5}}}


def test_reader_of_the_log_is_woken_by_a_publish(store: Store) -> None:
    publisher = threading.Timer(0.05, store.append, [publish(1)])
    publisher.start()
    started = time.monotonic()
    assert read_patiently(lambda: store.read_log(0, block_ms=60_000)) == [publish(1)]
    assert time.monotonic() - started < 30.0
    publisher.join()


def test_wait_for_news_ends_empty_handed(store: Store) -> None:
    assert store.read_log(0, block_ms=20) == []
    assert store.read_events(0, count=5, block_ms=20) == []


def test_three_newest_bases_stay_and_the_log_behind_them_goes(store: Store) -> None:
    for version in range(1, 10):
        store.append(publish(version))
        if version % 2 == 0:
            store.put_base(base(version))
    assert store.newest_base() == base(8)
    assert [p.progress.version for p in store.read_log(0)] == [5, 6, 7, 8, 9]
    assert store.version() == 9
    store.append(publish(10))
    for _lost_reply in range(2):
        store.put_base(base(10))
    assert store.newest_base() == base(10)
    assert [p.progress.version for p in store.read_log(0)] == [7, 8, 9, 10]


@pytest.mark.parametrize(("version", "until"), [(3, 0), (2, 5)])
def test_base_of_anything_but_the_end_of_the_log_is_refused(
    store: Store, version: int, until: int
) -> None:
    store.append(publish(1))
    store.put_base(base(1))
    store.append(publish(2))
    store.append(publish(3, until=9))
    with pytest.raises(StoreError, match=f"of version {version} is none of the log that ends at 3"):
        store.put_base(base(version, until=until))
    assert store.newest_base() == base(1)
    assert len(store.read_log(0)) == 2


def parts_of_two(version: int) -> list[Publish]:
    whole = Publish(base(version).progress, (*base(version).entries, Sightings(("i1",), (2,))))
    return [Publish(whole.progress, whole.entries[:1]), Publish(whole.progress, whole.entries[1:])]


def test_base_in_parts_is_kept_while_the_log_goes_on(store: Store) -> None:
    store.append(publish(1))
    first, second = parts_of_two(1)
    for _lost_reply in range(2):
        store.stage_base(0, first)
    store.append(publish(2))
    for _lost_reply in range(2):
        store.stage_base(1, second)
    assert store.newest_base() is None
    store.append(publish(3))
    for _lost_reply in range(2):
        store.keep_base(first.progress, 2)
    assert store.newest_base() == Publish(first.progress, first.entries + second.entries)
    assert [p.progress.version for p in store.read_log(0)] == [2, 3]


def test_base_that_another_took_the_place_of_is_not_kept(store: Store) -> None:
    store.append(publish(1))
    store.stage_base(0, parts_of_two(1)[0])
    store.append(publish(2))
    first, second = parts_of_two(2)
    store.stage_base(0, first)
    with pytest.raises(StoreRolledBack, match="parts of the base of version 1 are gone"):
        store.stage_base(1, parts_of_two(1)[1])
    with pytest.raises(StoreRolledBack, match="parts of the base of version 1 are gone"):
        store.keep_base(parts_of_two(1)[0].progress, 1)
    with pytest.raises(StoreRolledBack, match="parts of the base of version 2 are gone"):
        store.keep_base(first.progress, 2)
    store.stage_base(0, first)
    store.stage_base(1, second)
    store.keep_base(first.progress, 2)
    assert store.newest_base() == Publish(first.progress, first.entries + second.entries)


def test_base_that_the_log_has_lost_the_version_of_is_refused(store: Store) -> None:
    store.append(publish(1))
    with pytest.raises(StoreRolledBack, match="log ends at version 1 and not at 2: the store lost"):
        store.put_base(base(2))
    assert store.newest_base() is None
    assert store.version() == 1


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
    [(_, event_type, payload)] = read_patiently(
        lambda: store.read_events(0, count=5, block_ms=60_000)
    )
    assert (event_type, payload) == ("item", b"{}")
    producer.join()


def test_trimmed_events_are_gone_and_later_ones_stay(store: Store) -> None:
    first, second, third = store.append_events([("item", b"1"), ("item", b"2"), ("item", b"3")])
    newest = publish(1, until=third.offset)
    store.append(newest)
    store.trim_events(second.offset, at=newest.progress)
    assert [offset for offset, _, _ in store.read_events(0, count=9)] == [
        second.offset,
        third.offset,
    ]
    store.trim_events(third.offset + 1, at=newest.progress)
    assert store.read_events(first.offset, count=9) == []
    [fourth] = store.append_events([("item", b"4")])
    assert fourth.offset > third.offset


def test_events_stay_where_the_publish_that_has_them_was_lost(store: Store) -> None:
    store.trim_events(2**62, at=publish(1, until=2**62).progress)
    [event] = store.append_events([("item", b"1")])
    store.append(publish(1, until=1))
    for lost in (publish(2, until=2**62), publish(1, until=2**62)):
        store.trim_events(event.offset + 1, at=lost.progress)
    assert len(store.read_events(0, count=9)) == 1


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
