"""The moment of a request, as visits tell it: values that are followed as the context's are.

Who is back after a day asks for something else than who is clicking on, who is new for something
else than either, and what opens a visit is not what it ends with. The pause after the newest event
is not told: a page asks when it opens, and how long it will be read nobody knows by then.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from schemas.events import Scalar
from schemas.user_state import StreamRules, UserState, Visit

PAUSE, PLACE = "rillrec.pause", "rillrec.place"
"""The names of the fields, beside those of the events."""
LONGEST, SHORTEST_S, OCTAVES = 8, 30, 1.5
"""Pauses are told by their logarithm: 0 is less than 85 seconds, 8 more than 34 hours."""
FARTHEST = 16
"""Units that hold so many items are told apart no more; shorter ones by powers of 2."""


def moment_of(
    state: UserState, rules: StreamRules, visits: Sequence[Visit], held: int
) -> dict[str, Scalar]:
    """Return the pause before a user's newest visit, if there is any, and how far the unit is.

    Nothing is told of an event that is among the oldest of a full history, being late or replayed:
    what came before it may have left.

    Parameters
    ----------
    visits
        Those of the history that came before.
    held
        How many items the unit holds.
    """
    if len(visits) <= 1 and len(state.history) >= rules.history_length:
        return {}
    moment: dict[str, Scalar] = {PLACE: min(held, FARTHEST).bit_length()}
    if visits:
        moment[PAUSE] = _pause(visits)
    return moment


def told(context: Mapping[str, Scalar], moment: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
    """Return a context that tells a query's moment too, and of the moment nothing else."""
    if not moment:
        return context
    merged = {**context, **moment}
    if PAUSE not in moment:
        merged.pop(PAUSE, None)
    return merged


def _pause(visits: Sequence[Visit]) -> Scalar:
    if len(visits) == 1:
        return "first"
    seconds = (visits[-1].time_ms - visits[-2].time_ms) / 1000
    return min(int(math.log2(max(seconds / SHORTEST_S, 1)) / OCTAVES), LONGEST)
