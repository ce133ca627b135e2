"""What outlives a user who was forgotten."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from flows.batches import Happening, Piece, Refused, Settled
from flows.forgotten import (
    KEPT,
    Erased,
    is_full,
    ledger_id,
    was_refused,
    with_forgotten,
    with_kept_out,
)
from flows.sessionise import Sessionise
from flows.tally import Tally
from schemas.events import Forget, Impression, Interaction
from schemas.forgetting import digest_of
from schemas.keys import shard_of, shards
from schemas.positions import Position
from schemas.user_state import UserState
from serving.store import Erasure, MemoryStore, ShardWrite
from tests.flows.streams import RULES, START_MS


def state(*refused: tuple[int, int]) -> UserState:
    return UserState("ann", origins=(("a", 0), ("b", 3)), refused=refused)


def test_every_shard_has_a_ledger_of_its_own_that_no_user_can_name() -> None:
    names = [ledger_id(shard) for shard in shards()]
    assert [shard_of(name) for name in names] == shards()
    for name in names:
        with pytest.raises(ValueError, match="control character"):
            Interaction(event_id="e", user_id=name, item_id="i", kind="k", time_ms=START_MS)


def test_a_user_of_whom_nothing_was_refused_leaves_nothing() -> None:
    assert with_forgotten(None, "l", None) is None
    assert with_forgotten(None, "l", state()) is None
    ledger = with_forgotten(None, "l", state((0, 5)))
    assert with_forgotten(ledger, "l", state()) is ledger


def test_refusals_of_many_users_and_sources_add_up() -> None:
    ledger = with_forgotten(None, "l", state((1, 5)))
    ledger = with_forgotten(ledger, "l", state((0, 5), (1, 6)))
    assert ledger == UserState("l", origins=(("b", 3), ("a", 0)), refused=((0, 5), (1, 5), (0, 6)))
    assert was_refused(ledger, "b", 3, 6)
    assert was_refused(ledger, "a", 0, 5)
    assert not was_refused(ledger, "a", 0, 6)
    assert not was_refused(ledger, "c", 0, 5)
    assert not was_refused(None, "a", 0, 5)


def test_a_ledger_is_bounded_and_so_are_its_sources() -> None:
    ledger: UserState | None = None
    for n in range(2 * KEPT):
        one = msgspec.structs.replace(state((0, n)), origins=((f"file {n}", 0),))
        ledger = with_forgotten(ledger, "l", one)
    assert ledger is not None
    assert len(ledger.refused) == len(ledger.origins) == KEPT
    assert was_refused(ledger, f"file {2 * KEPT - 1}", 0, 2 * KEPT - 1)


def test_a_ledger_knows_what_was_kept_out_and_when_it_may_have_known_of_more() -> None:
    ledger = with_kept_out(with_forgotten(None, "l", state((0, 5))), "l", "c", 1, [7, 9])
    assert was_refused(ledger, "a", 0, 5)
    assert was_refused(ledger, "c", 1, 9)
    assert not was_refused(ledger, "c", 1, 8)
    assert not is_full(None)
    assert not is_full(ledger)
    assert is_full(with_kept_out(ledger, "l", "c", 1, range(KEPT)))


def test_who_was_forgotten_is_known_by_hash_and_until_when() -> None:
    store = MemoryStore()
    erased = Erased(store, "s00")
    assert not erased
    assert not erased.covers("ann", 0)
    erasure = erased.erase("ann", START_MS, Position("forget", 2, 7))
    digest = digest_of("ann", store.forget_key())
    assert erasure == Erasure(digest, START_MS, "forget", 2, 7)
    store.write_shards([ShardWrite("s00", {}, {}, erased=(erasure,))])
    for known in (erased, Erased(store, "s00")):
        assert known.covers("ann", START_MS)
        assert known.covers("ann", None)
        assert not known.covers("ann", START_MS + 1)
        assert not known.covers("bob", None)
    erased.erase("ann", START_MS - 5, Position("forget", 2, 8))
    assert erased.covers("ann", START_MS)


# ---- in the session step ---------------------------------------------------------------------


def click(name: str, time_ms: int = START_MS, **fields: Any) -> Interaction:
    return Interaction(
        event_id=name, user_id="ann", item_id=name, kind="click", time_ms=time_ms, **fields
    )


def settle(store: MemoryStore, *events: Any, begin: int = 0, tally: Tally | None = None) -> Settled:
    """Settle events of one user by a session step that starts anew, and store what it says."""
    happenings: list[Happening] = [
        (begin + n, event, b'{"user_id": "ann"}') for n, event in enumerate(events)
    ]
    piece = Piece(shard_of("ann"), "t", 0, 0, 1, begin + len(events), happenings)
    [settled], _ = Sessionise(store, RULES, tally=tally or Tally()).on_batch([piece])
    if settled.write is not None:
        store.write_shards([settled.write])
    return settled


def items(store: MemoryStore) -> list[str]:
    return [v.item_id for s in store.read_users(["ann"]).values() for v in s.history]


def test_a_replay_knows_the_refused_events_of_users_who_were_forgotten_since() -> None:
    late = click("late", START_MS - 10**8)
    events = (click("e"), click("e"), late, Forget(user_id="ann"))
    store = MemoryStore()
    first = settle(store, *events)
    assert [example.offset for example in first.lesson.examples] == [0]
    assert store.read_users(["ann"]) == {}
    again = settle(store, *events)
    assert again.write is None
    assert [example.offset for example in again.lesson.examples] == [0]


def test_older_events_of_a_forgotten_user_are_kept_out_wherever_they_come_from() -> None:
    store, tally = MemoryStore(), Tally()
    settle(store, click("a"), Forget(user_id="ann", time_ms=START_MS + 50))
    shown = Impression(request_id="r", user_id="ann", time_ms=START_MS, items=())
    broken = Refused("malformed", "no", "interaction", "ann")
    old = (click("a"), click("b", START_MS + 50), shown, broken)
    settled = settle(store, *old, click("c", START_MS + 51), begin=100, tally=tally)
    assert items(store) == ["c"]
    assert [example.item_id for example in settled.lesson.examples] == ["c"]
    assert store.dead_letters() == []
    assert tally.verdicts == {
        ("interaction", "forgotten"): 3, ("impression", "forgotten"): 1,
        ("interaction", "accepted"): 1,
    }  # fmt: skip


def test_what_was_kept_out_is_not_learnt_from_when_it_is_replayed() -> None:
    store = MemoryStore()
    settle(store, click("a"), Forget(user_id="ann"))
    old = (click("a"), click("b"))
    assert settle(store, *old, begin=100).lesson.examples == []
    replayed = settle(store, *old, begin=100)
    assert (replayed.write, replayed.lesson.examples) == (None, [])
    # What counted before the wish goes on as it did.
    assert [e.offset for e in settle(store, click("a")).lesson.examples] == [0]


def test_rather_too_little_is_replayed_of_the_forgotten_than_what_was_kept_out() -> None:
    store = MemoryStore()
    settle(store, click("a"), Forget(user_id="ann"))
    old = tuple(click(f"e{n}") for n in range(KEPT + 1))
    settle(store, *old, begin=100)
    assert settle(store, *old, begin=100).lesson.examples == []


def test_a_wish_deletes_the_dead_letters_of_its_user_too() -> None:
    store = MemoryStore()
    broken = Refused("malformed", "no", "interaction", "ann")
    settle(store, click("a"), broken, click("late", START_MS - 10**8))
    assert [letter.user_id for letter in store.dead_letters()] == ["ann", "ann"]
    settle(store, broken, Forget(user_id="ann"), begin=50)
    assert store.dead_letters() == []


def test_a_wish_of_the_event_log_counts_from_when_it_was_made() -> None:
    store, at = MemoryStore(), (START_MS + 7) << 20
    wish = Forget(user_id="ann")
    piece = Piece(shard_of("ann"), "events", 0, 0, 1, at + 1, [(at, wish, b"")])
    [settled], _ = Sessionise(store, RULES, tally=Tally()).on_batch([piece])
    assert settled.write is not None
    [erasure] = settled.write.erased
    assert (erasure.until_ms, erasure.topic, erasure.offset) == (START_MS + 7, "events", at)


@pytest.mark.parametrize(("events", "until_ms"), [((), 0), ((click("a", START_MS + 9),), 9)])
def test_a_wish_without_any_time_counts_for_all_that_is_known(
    events: tuple[Interaction, ...], until_ms: int
) -> None:
    store = MemoryStore()
    settled = settle(store, *events, Forget(user_id="ann"))
    assert settled.write is not None
    assert settled.write.erased[0].until_ms == (START_MS + until_ms if events else 0)
