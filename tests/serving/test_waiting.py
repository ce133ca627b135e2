"""Whoever waits for an event gets the state that holds it, or learns by how much it falls short."""

from __future__ import annotations

import time

import pytest

from schemas.errors import NotYetAbsorbed
from schemas.positions import Marks, Position
from schemas.user_state import UserState
from serving.waiting import patience_s, read_after

WANTED = Position("events", 0, 100)


class Reads:
    """Answers each read with the next marks, then with the last ones again."""

    def __init__(self, *untils: int) -> None:
        self.count = 0
        self._untils = untils

    async def __call__(self) -> tuple[UserState | None, Marks]:
        until = self._untils[min(self.count, len(self._untils) - 1)]
        self.count += 1
        return UserState(f"read {self.count}"), {"events": {0: until}}


async def test_absorbed_event_is_not_waited_for() -> None:
    reads = Reads(101)
    state, marks = await read_after(reads, WANTED, patience_s=0.0)
    assert (state, marks) == (UserState("read 1"), {"events": {0: 101}})


async def test_state_that_holds_the_event_is_the_one_returned() -> None:
    state, _ = await read_after(Reads(0, 99, 100, 250), WANTED, patience_s=5.0)
    assert state == UserState("read 4")


async def test_wait_in_vain_ends_on_time_and_tells_how_far_it_came() -> None:
    reads = Reads(40, 60)
    started_s = time.monotonic()
    with pytest.raises(NotYetAbsorbed, match=r"events/0@100 is not absorbed yet: .*below 60 is"):
        await read_after(reads, WANTED, patience_s=0.2)
    assert 0.19 <= time.monotonic() - started_s < 30.0
    assert 2 <= reads.count <= 40  # the pauses grow: at 1 ms each, 200 would fit in


@pytest.mark.parametrize("position", [Position("other", 0, 1), Position("events", 7, 1)])
async def test_source_that_the_user_never_had_is_at_nothing(position: Position) -> None:
    with pytest.raises(NotYetAbsorbed, match="everything below 0 is"):
        await read_after(Reads(999), position, patience_s=0.0)


def test_answer_is_left_time_to_arrive() -> None:
    assert patience_s(None) == 1.0
    assert patience_s(0.1) == pytest.approx(0.09)
    assert patience_s(60.0) == pytest.approx(59.75)
    assert patience_s(0.0) == 0.0
