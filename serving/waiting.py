"""Read your writes: wait until a user's state has absorbed an event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from schemas.errors import NotYetAbsorbed
from schemas.positions import Marks, Position, mark_of
from schemas.user_state import UserState

DEFAULT_WAIT_S = 1.0
_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.05
_GROWTH = 1.5

Read = Callable[[], Awaitable[tuple[UserState | None, Marks]]]


def patience_s(remaining_s: float | None) -> float:
    """Return how long a call may wait, so that its answer still arrives within its deadline.

    Examples
    --------
    >>> patience_s(None), patience_s(10.0), round(patience_s(0.05), 3)
    (1.0, 9.75, 0.045)
    """
    if remaining_s is None:
        return DEFAULT_WAIT_S
    return remaining_s - min(0.25, 0.1 * remaining_s)


def limit_s(remaining_s: float | None) -> float | None:
    """Return how long a call with a deadline may wait; without one, what it waits for decides."""
    return None if remaining_s is None else patience_s(remaining_s)


async def read_after(
    read: Read, position: Position, *, patience_s: float
) -> tuple[UserState | None, Marks]:
    """Return a user's state as soon as its shard has absorbed the event at a position.

    Reads again after pauses that grow from 1 to 50 ms.

    Raises
    ------
    NotYetAbsorbed
        It has not within ``patience_s``; the error names the position that it has reached.
    """
    deadline_s = time.monotonic() + patience_s
    pause_s = _FIRST_PAUSE_S
    while True:
        state, marks = await read()
        reached = mark_of(marks, position.topic, position.partition)
        if reached > position.offset:
            return state, marks
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise NotYetAbsorbed(position.topic, position.partition, position.offset, reached)
        await asyncio.sleep(min(pause_s, left_s))
        pause_s = min(_GROWTH * pause_s, _LONGEST_PAUSE_S)
