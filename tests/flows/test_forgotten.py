"""What outlives a user who was forgotten."""

from __future__ import annotations

import msgspec
import pytest

from flows.batches import Piece, Settled
from flows.forgotten import KEPT, ledger_id, was_refused, with_forgotten
from flows.sessionise import Sessionise
from flows.tally import Tally
from schemas.events import Forget, Interaction
from schemas.keys import shard_of, shards
from schemas.user_state import UserState
from serving.store import MemoryStore
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


def test_a_replay_knows_the_refused_events_of_users_who_were_forgotten_since() -> None:
    click = Interaction(event_id="e", user_id="ann", item_id="i", kind="click", time_ms=START_MS)
    late = msgspec.structs.replace(click, event_id="l", time_ms=START_MS - 10**8)
    events = (click, click, late, Forget(user_id="ann"))
    piece = Piece(
        shard_of("ann"), "t", 0, 0, 1, 4, [(n, event, b"") for n, event in enumerate(events)]
    )
    store = MemoryStore()

    def settle() -> Settled:
        [settled], _ = Sessionise(store, RULES, tally=Tally()).on_batch([piece])
        return settled

    first = settle()
    assert first.write is not None
    assert [example.offset for example in first.lesson.examples] == [0]
    store.write_shards([first.write])
    assert store.read_users(["ann"]) == {}
    again = settle()
    assert again.write is None
    assert [example.offset for example in again.lesson.examples] == [0]
