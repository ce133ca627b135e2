"""Lists that are still to be made: a micro-batch's queries are read, and scored, all at once.

The encoder does not learn before the micro-batch ends, so that lists may wait until then for what
it says. What was counted must be as it was before each list's own event: the events in between are
counted as the lists are made.
"""

from __future__ import annotations

from typing import NamedTuple

from online_models.rows import Rows


class Awaited(NamedTuple):
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
    now_ms
        The time of the stream.
    event
        The list's own of those that are to be counted: what comes before is counted before.
    weight
        Of the event.
    """

    target: int
    history: list[int]
    earlier: list[int]
    barred: list[int]
    slots: Rows
    now_ms: int
    event: int
    weight: float

    @property
    def readable(self) -> bool:
        """Whether the encoder has anything to read."""
        return bool(len(self.history) or len(self.earlier))
