"""Models that lag behind the one that learns: what freshness is worth."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from online_models.decay import StreamClock
from online_models.evaluation.contenders import rank_of
from online_models.recommender import Ranking, Recommender
from online_models.state import ModelState
from schemas.examples import Example
from schemas.model_log import Entry, Graph, Put

NO_MODEL = -1
"""The rank of a target that was asked for before the first sync."""


class Feed:
    """What a learner learns, handed to any number of replicas that take it at their own time.

    Parameters
    ----------
    state
        The learner's.
    drain
        Returns the entries since it was called last: ``Learner.drain``.
    """

    def __init__(self, state: ModelState, drain: Callable[[], Iterable[Entry]]) -> None:
        self.state, self._drain = state, drain
        self._waiting: list[Waiting] = []

    def subscribe(self) -> Waiting:
        """Return what waits for one more replica: to be called before anything is learnt."""
        self._waiting.append(Waiting())
        return self._waiting[-1]

    def bring(self, replica: ModelState, waiting: Waiting) -> None:
        """Make a replica equal to the learner's state as it is now."""
        entries = tuple(self._drain())
        for one in self._waiting:
            one.add(entries)
        for entry in waiting.take(self.state):
            replica.apply(entry)
        replica.progress = self.state.progress


class Waiting:
    """Entries that a replica has yet to apply: which cells changed, not each value that they had.

    Bounded by the model's own size, and by 50 bytes for each item that came or went.
    """

    def __init__(self) -> None:
        self._others: list[Entry] = []
        self._cells: dict[str, list[npt.NDArray[np.int64]]] = {}

    def add(self, entries: Iterable[Entry]) -> None:
        """Take entries in, in the order of the log."""
        for entry in entries:
            if isinstance(entry, Put):
                index = np.frombuffer(entry.index, dtype="<i8")
                self._note(entry.table, index)
                continue
            if isinstance(entry, Graph):  # it takes the place of an older one
                self._others = [one for one in self._others if not isinstance(one, Graph)]
            self._others.append(entry)

    def take(self, state: ModelState) -> Iterable[Entry]:
        """Yield entries that lead to a state, which all that was added leads to; forget them.

        Cells come last, with the values that they have now: what was scaled or evicted in between
        has been so on both sides.
        """
        others, cells = self._others, self._cells
        self._others, self._cells = [], {}
        yield from others
        for name, parts in cells.items():
            if not state.tables[name].learner_only:
                yield from state.tables[name].puts(np.unique(np.concatenate(parts)))

    def _note(self, table: str, index: npt.NDArray[np.int64]) -> None:
        parts = self._cells.setdefault(table, [])
        parts.append(index)
        if len(parts) > 64:
            parts[:] = [np.unique(np.concatenate(parts))]


class Lagging:
    """A replica that takes over what was learnt at each full interval of event time.

    Users' histories are those of the event: only the model lags. At an event past the end of an
    interval, it takes over all that was learnt before that event. Until the first sync it has no
    model, and answers ``NO_MODEL``.

    Parameters
    ----------
    interval_ms
        At least 1.
    """

    def __init__(self, name: str, interval_ms: int, feed: Feed) -> None:
        if interval_ms < 1:
            raise ValueError(f"interval_ms is {interval_ms}, it must be at least 1")
        self.name, self.interval_ms = name, interval_ms
        self.state = ModelState(feed.state.config, serve_only=True)
        self._feed, self._waiting = feed, feed.subscribe()
        self._recommender = Recommender(self.state)
        self._clock = StreamClock()
        self._interval, self._synced = -1, False

    def see(self, example: Example) -> None:
        """See ``Contender``."""
        self._clock.advance(example.time_ms)
        interval = self._clock.now_ms // self.interval_ms
        if interval != self._interval and self._interval >= 0:
            self._feed.bring(self.state, self._waiting)
            self._synced = True
        self._interval = interval

    def rank(self, example: Example, ranking: Ranking, place: int, top: int) -> int:
        """See ``Contender``."""
        if not self._synced:
            return NO_MODEL
        own = self._recommender.rank(example.query)
        row = self.state.items.row_of(example.item_id)
        found = np.flatnonzero(own.candidates.rows == row)
        return rank_of(own.top(top), int(found[0])) if len(found) else 0
