"""Whether the learner keeps up, and leaves time to the steps before it."""

from __future__ import annotations

import math

BEHIND_MS, LEVEL_MS = 5_000, 1_000
"""Since events were appended: the learner is behind from the one on, until below the other."""
BUSY, IDLE = 0.4, 0.2
"""Its share of its worker's time: too much from the one on, until below the other."""
WINDOW_S = 0.25


class Pace:
    """Tells the learner when to hurry.

    Users' states wait while their worker learns. So it hurries when it is behind, and also when it
    takes too large a share of the time, however little it is behind: then what it has to spare goes
    to lists, and no more.

    Attributes
    ----------
    share
        Of the last quarter of a second, or so: an exponential mean.

    Examples
    --------
    >>> pace = Pace()
    >>> pace.worked(begin_s=10.0, end_s=10.2)
    >>> pace.is_behind(age_ms=None)
    True
    >>> pace.worked(begin_s=10.6, end_s=10.6)
    >>> pace.is_behind(age_ms=None), pace.is_behind(age_ms=6_000), pace.is_behind(age_ms=2_000)
    (False, True, True)
    """

    def __init__(self) -> None:
        self.share = 0.0
        self._until_s: float | None = None
        self._behind = False

    def worked(self, *, begin_s: float, end_s: float) -> None:
        """Take in when the learner was at work, in seconds of any clock that never goes back."""
        idle_s = begin_s - (begin_s if self._until_s is None else self._until_s)
        kept = math.exp(-(end_s - begin_s) / WINDOW_S)
        self.share = self.share * math.exp(-idle_s / WINDOW_S) * kept + 1 - kept
        self._until_s = end_s

    def is_behind(self, *, age_ms: int | None) -> bool:
        """Return whether to hurry.

        Parameters
        ----------
        age_ms
            Since what is learnt next was appended to its source; ``None`` where nobody knows.
        """
        late_ms, busy = (LEVEL_MS, IDLE) if self._behind else (BEHIND_MS, BUSY)
        self._behind = self.share > busy or (age_ms is not None and age_ms > late_ms)
        return self._behind
