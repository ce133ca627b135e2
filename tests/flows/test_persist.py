"""Storing what a batch changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.batches import Lesson, Receipt, Settled
from flows.dead_letters import DeadLetterFile
from flows.persist import Persist, merged
from flows.tally import Tally
from schemas.errors import StoreRolledBack
from schemas.positions import Marks
from schemas.slates import Answer, Slates
from schemas.user_state import UserState
from serving.store import DeadLetter, Erasure, ShardWrite
from tests.flows.streams import StormyStore

LETTER = DeadLetter("t", 0, 4, "interaction", "field", "no", b"{}")


def settled(write: ShardWrite | None) -> tuple[str, Settled]:
    return "s00", Settled(Lesson("t", 0, 0, 1, 9, [], []), write, Receipt())


def write(until: int, shard: str = "s00", *users: str, before: Marks | None = None) -> ShardWrite:
    states = {user: UserState(user, next_session=until) for user in users}
    return ShardWrite(shard, states, {"t": {0: until}}, (), (LETTER,), before or {})


def test_all_shards_of_an_activation_are_written_in_one_call() -> None:
    store = StormyStore()
    persist = Persist(store, key="m", tally=Tally())
    values = [settled(write(1, "s00", "a")), settled(write(2, "s01", "b")), settled(None)]
    [(key, lessons)] = persist(values)
    assert (key, len(lessons)) == ("m", 3)
    assert store.weather.calls == ["write_shards"]
    assert all(value.receipt.stored for _, value in values)
    assert set(store.read_users(["a", "b"])) == {"a", "b"}


def test_lessons_go_on_only_once_everything_is_stored() -> None:
    store = StormyStore()
    store.weather.before["write_shards"] = 1
    value = settled(write(1))
    with pytest.raises(InterruptedError):
        _interrupted(Persist(store, key="m", tally=Tally()), value)
    assert not value[1].receipt.stored


def _interrupted(persist: Persist, value: tuple[str, Settled]) -> None:
    def interrupt(_seconds: float) -> None:
        raise InterruptedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.patience.patiently.__kwdefaults__", {"sleep": interrupt})
        persist([value])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_reply_writes_nothing_twice(when: str) -> None:
    store = StormyStore()
    persist = Persist(store, key="m", tally=Tally())
    persist([settled(write(1, "s01", "x"))])
    getattr(store.weather, when)["write_shards"] = 1
    persist([settled(write(5, "s00", "a"))])
    assert store.weather.calls.count("write_shards") == 3
    assert len(store.dead_letters()) == 2
    assert store.read_marks(["s00"]) == [{"t": {0: 5}}]


def test_a_store_that_lost_what_it_had_acknowledged_is_not_written_to() -> None:
    store = StormyStore()
    persist = Persist(store, key="m", tally=Tally())
    persist([settled(write(5, "s07", "a"))])
    store.write_shards([ShardWrite("s07", {}, {"t": {0: 2}})])
    with pytest.raises(StoreRolledBack, match=r"shard s07 stands at .*: the store lost writes"):
        persist([settled(write(6, "s07", before={"t": {0: 5}}))])
    assert store.read_marks(["s07"]) == [{"t": {0: 2}}]


def test_writes_of_one_shard_are_merged_in_order() -> None:
    first = ShardWrite(
        "s00", {"a": UserState("a"), "b": UserState("b")}, {"t": {0: 1}}, (), (LETTER,), {}
    )
    second = ShardWrite(
        "s00", {"c": UserState("c")}, {"t": {0: 2}}, ("a", "b"), (LETTER,), first.marks
    )
    third = ShardWrite(
        "s00", {"a": UserState("a", next_session=9)}, {"t": {0: 3}}, before=second.marks
    )
    [one] = merged([first, second, third])
    assert one.states == {"c": UserState("c"), "a": UserState("a", next_session=9)}
    assert one.forgotten == ("a", "b")
    assert (one.before, one.marks) == ({}, {"t": {0: 3}})
    assert one.dead == (LETTER, LETTER)


def test_dead_letters_of_before_a_wish_are_not_stored_by_a_merged_write() -> None:
    ann, bob = (DeadLetter("t", 0, 1, "interaction", "field", "no", b"", name) for name in "ab")
    erasure = Erasure(b"hash of a", 5, "t", 0, 2)
    parts = [
        ShardWrite("s00", {}, {"t": {0: 1}}, dead=(ann, bob)),
        ShardWrite("s00", {}, {"t": {0: 2}}, ("a",), erased=(erasure,)),
        ShardWrite("s00", {}, {"t": {0: 3}}, dead=(ann,)),
    ]
    [one] = merged(parts)
    assert (one.forgotten, one.dead, one.erased) == (("a",), (bob, ann), (erasure,))


def test_slates_are_merged_as_states_are() -> None:
    one, two = Slates("a", waiting=(Answer("r", "i", 1.0, 5),)), Slates("b")
    parts = [
        ShardWrite("s00", {}, {"t": {0: 1}}, slates={"a": one, "b": one, "c": one}),
        ShardWrite("s00", {}, {"t": {0: 2}}, ("a", "b"), slates={"b": two, "c": None}),
    ]
    [merger] = merged(parts)
    assert merger.slates == {"b": two, "c": None}


def test_dead_letters_are_in_the_file_before_they_are_in_the_store(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"

    class Looking(StormyStore):
        def write_shards(self, writes: object) -> None:
            assert path.read_bytes().count(b"\n") == 1

    with DeadLetterFile(path) as file:
        Persist(Looking(), key="m", tally=Tally(), dead_letters=file)([settled(write(1))])
