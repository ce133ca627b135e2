"""Lists that are still to be made: a micro-batch's queries are read, and scored, all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from online_models.rows import Rows

if TYPE_CHECKING:
    from online_models.ranker_lists import RankerLists

Floats = npt.NDArray[np.float32]
List = tuple[Floats, int]
"""Features, and the place of the chosen one."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """What a list is made of, in the model's own terms, as the model was when it was asked for.

    Parameters
    ----------
    target
        The row that was chosen.
    history, earlier
        Rows of the unit, and of the user's other units, newest first.
    barred
        Rows that must not be candidates, in any order.
    slots
        Of the context's followed values.
    size
        How many rows the item table used.
    now_ms
        The time of the stream.
    """

    target: int
    history: Rows
    earlier: Rows
    barred: Rows
    slots: Rows
    size: int
    now_ms: int

    @property
    def readable(self) -> bool:
        """Whether the encoder has anything to read."""
        return bool(len(self.history) or len(self.earlier))


class AwaitedLists:
    """The lists that the events of a micro-batch wait for.

    The encoder does not learn before the micro-batch ends, so that lists may wait until then for
    what it says. What was counted must be as it was before each list's own event: the events in
    between are counted as the lists are made.

    Parameters
    ----------
    maker
        Makes them.
    """

    def __init__(self, maker: RankerLists) -> None:
        self.maker = maker
        self._waiting: list[tuple[Awaited, int, float]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, awaited: Awaited, place: int, weight: float) -> None:
        """Let a list wait, whose event is to have a place in the micro-batch, and a weight."""
        self._waiting.append((awaited, place, weight))

    def make(self, count_until: Callable[[int], None]) -> Iterator[tuple[List, float]]:
        """Yield lists and weights; of those whose target nobody proposes, none.

        ``count_until`` counts the events of the places before a given one.
        """
        waiting, self._waiting = self._waiting, []
        read = self.maker.read([awaited for awaited, _, _ in waiting])
        for (awaited, place, weight), (vector, near) in zip(waiting, read, strict=True):
            count_until(place)
            made = self.maker.make(awaited, vector, near)
            if made is not None:
                yield made, weight
