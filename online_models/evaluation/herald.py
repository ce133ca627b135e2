"""A catalogue that is heard of in time: no item is known before it was there."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from online_models.learner import Learner, Observer
from online_models.recommender import Ranking
from schemas.events import ItemUpdate
from schemas.examples import Example


class Herald:
    """Tells a learner the catalogue's words as the stream gets to their times, and observes on.

    A word counts from its ``created_ms`` on, or its ``time_ms``; without either from the beginning.

    Parameters
    ----------
    updates
        In any order; those of one time stay in theirs.
    observer
        Hears of each event once the words before it were told.
    """

    def __init__(self, learner: Learner, updates: Sequence[ItemUpdate], observer: Observer) -> None:
        self._learner, self._observer = learner, observer
        self._updates = deque(sorted(updates, key=_since_ms))

    def wants(self, example: Example) -> bool:
        """See ``Observer``."""
        while self._updates and _since_ms(self._updates[0]) <= example.time_ms:
            self._learner.describe(self._updates.popleft())
        return self._observer.wants(example)

    def observe(self, example: Example, ranking: Ranking) -> None:
        """See ``Observer``."""
        self._observer.observe(example, ranking)


def _since_ms(update: ItemUpdate) -> int:
    return update.created_ms or update.time_ms or 0
