"""Events meet their users' states."""

from __future__ import annotations

from flows.batches import Happening, Piece, Refused, Settled
from flows.sessionise import Sessionise
from flows.tally import Tally
from schemas.events import Forget, Interaction
from schemas.positions import Marks
from serving.store import MemoryStore, ShardWrite
from tests.flows.streams import RULES, START_MS


def click(n: int, user: str = "ann", minutes: int = 0) -> Interaction:
    return Interaction(
        event_id=f"e{n}",
        user_id=user,
        item_id=f"i{n}",
        kind="click",
        time_ms=START_MS + minutes * 60_000,
    )


def piece(*happenings: Happening, seq: int = 0, end: int = 10) -> Piece:
    return Piece("s00", "t", 0, seq, 1, end, list(happenings))


def step(store: MemoryStore, tally: Tally | None = None) -> Sessionise:
    return Sessionise(store, RULES, tally=tally or Tally())


def settle(sessionise: Sessionise, *pieces: Piece) -> list[Settled]:
    settled, discarded = sessionise.on_batch(list(pieces))
    assert not discarded
    return settled


def marked(marks: Marks) -> MemoryStore:
    store = MemoryStore()
    store.write_shards([ShardWrite("s00", {}, marks)])
    return store


def test_pieces_of_one_activation_build_on_each_other() -> None:
    one, two = settle(step(MemoryStore()), piece((0, click(0), b"")), piece((1, click(1), b"")))
    assert one.write is not None
    assert two.write is not None
    assert [v.item_id for v in two.write.states["ann"].history] == ["i0", "i1"]
    assert (one.write.before, one.write.marks) == ({}, {"t": {0: 1}})
    assert (two.write.before, two.write.marks) == ({"t": {0: 1}}, {"t": {0: 2}})
    assert [example.query.history for example in two.lesson.examples] == [("i0",)]


def test_the_mark_goes_to_behind_the_last_event_of_the_piece_whatever_became_of_it() -> None:
    refused = Refused("malformed", "no", "interaction", "ann")
    [one] = settle(step(MemoryStore()), piece((3, click(0), b""), (5, refused, b"x")))
    assert one.write is not None
    assert one.write.marks == {"t": {0: 6}}
    assert one.write.dead[0].payload == b"x"


def test_an_empty_piece_writes_nothing_and_still_tells_the_learner() -> None:
    [one] = settle(step(MemoryStore()), piece())
    assert one.write is None
    assert (one.lesson.examples, one.lesson.end) == ([], 10)


def test_what_the_shards_mark_contains_is_handed_on_but_not_written() -> None:
    refused = Refused("malformed", "no", "interaction", "ann")
    [one] = settle(
        step(marked({"t": {0: 6}})),
        piece((3, click(0), b""), (4, refused, b"x"), (5, Forget(user_id="ann"), b"")),
    )
    assert one.write is None
    assert [example.item_id for example in one.lesson.examples] == ["i0"]


def test_a_piece_may_be_contained_in_part() -> None:
    [one] = settle(
        step(marked({"t": {0: 1}})), piece((0, click(0), b""), (1, click(1, "bob"), b""))
    )
    assert one.write is not None
    assert set(one.write.states) == {"bob"}
    assert [example.item_id for example in one.lesson.examples] == ["i0", "i1"]


def test_late_events_become_dead_letters_that_say_how_late() -> None:
    late = click(1, minutes=-61)
    [one] = settle(step(MemoryStore()), piece((0, click(0), b""), (1, late, b"original")))
    assert one.write is not None
    [letter] = one.write.dead
    assert (letter.reason, letter.offset, letter.payload) == ("late", 1, b"original")
    assert "3660000 ms behind" in letter.message
    assert "allowed_lateness_ms is 3600000" in letter.message


def test_a_user_who_was_forgotten_begins_anew() -> None:
    [one] = settle(
        step(MemoryStore()),
        piece((0, click(0), b""), (1, Forget(user_id="ann"), b""), (2, click(2, minutes=1), b"")),
    )
    assert one.write is not None
    assert one.write.forgotten == ("ann",)
    assert [v.item_id for v in one.write.states["ann"].history] == ["i2"]


def test_verdicts_and_whereabouts_are_counted() -> None:
    tally = Tally()
    events = (click(0), click(0), click(1, minutes=-90), click(2, "bob"))
    settle(step(MemoryStore(), tally), piece(*[(n, e, b"") for n, e in enumerate(events)]))
    assert (tally.events, tally.duplicates, tally.late, tally.rejected) == (2, 1, 1, 1)
    assert tally.reasons == {"late": 1}
    assert tally.users["new"] == 2


def test_the_engine_has_nothing_to_remember() -> None:
    step(MemoryStore()).snapshot()
