"""Whether more comes than is read."""

from __future__ import annotations

from collections.abc import Callable

from flows.incidents import Incidents

_LOOKS_EVERY_S = 10.0
_LOOKS = 6
_NOTABLE = 10_000


class FallingBehind:
    """Makes it an incident when a worker falls further behind for a minute on end.

    Being behind alone is none: a flow that catches up is, too. Fewer than 10,000 offsets are none
    either.

    Parameters
    ----------
    clock
        The seconds by which it is looked, each 10.
    """

    def __init__(self, incidents: Incidents, *, clock: Callable[[], float]) -> None:
        self._incidents, self._clock = incidents, clock
        self._look_at_s = clock() + _LOOKS_EVERY_S
        self._behind, self._rises = 0, 0

    def look(self, behind: int) -> None:
        """Take in how many offsets are yet to be read."""
        if self._clock() < self._look_at_s:
            return
        self._look_at_s = self._clock() + _LOOKS_EVERY_S
        self._rises = self._rises + 1 if behind > self._behind else 0
        self._behind = behind
        if behind >= _NOTABLE and self._rises == _LOOKS:
            text = f"more comes than is learnt: {behind} offsets are yet to be read"
            self._incidents.note("learner_behind", text, offsets=behind)
