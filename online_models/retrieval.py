"""Candidates: what each source proposes for a query, and what it thinks of all the others' too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from online_models.state import ModelState
from schemas.examples import Query

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SOURCES = ("popularity", "rules", "encoder", "session")


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows in rising order, with what the sources know of each.

    ``proposed`` and ``own`` hold one mask and one score of its own for each source, of shape
    ``(n,)``; ``rules`` and ``last_rules`` are of shape ``(n, channels)``, ``shares`` of shape
    ``(n, horizons)``; ``history`` holds rows, newest first.
    """

    rows: Rows
    history: Rows
    proposed: dict[str, Mask]
    own: dict[str, Floats]
    rules: Floats
    last_rules: Floats
    shares: Floats


class Retriever:
    """Asks every source of a model for candidates.

    Parameters
    ----------
    by_rules, by_encoder
        The most that each may propose. The lists of popularity are as long as the model keeps them.
    own_items
        How many of the unit's last items are proposed again, unless the query excludes them.
    """

    def __init__(
        self, state: ModelState, *, by_rules: int = 150, by_encoder: int = 100, own_items: int = 10
    ) -> None:
        self.state = state
        self.by_rules, self.by_encoder, self.own_items = by_rules, by_encoder, own_items

    def candidates(self, query: Query) -> Candidates:
        """Return what may be recommended: nothing seen, nothing that must not be served."""
        history = self.history(query)
        barred = self._barred(query)
        state = self.state
        popular = np.concatenate(state.popularity.lists(state.items.size))
        neighbours, rules, last = self._neighbours(history)
        best = _best(state.rules.blend(rules), self.by_rules + len(barred))
        near = self._near(history, len(barred))
        lists = (popular, neighbours[best], near, history[: self.own_items])
        rows = _without(np.unique(np.concatenate(lists)), barred)
        proposed = {name: np.isin(rows, found) for name, found in zip(SOURCES, lists, strict=True)}
        return self._known(rows, history, proposed, (neighbours, rules, last))

    def given(self, query: Query, rows: Rows) -> Candidates:
        """Return given rows, in rising order, as if every source had proposed them."""
        history = self.history(query)
        everywhere = np.ones(len(rows), dtype=bool)
        proposed = dict.fromkeys(SOURCES, everywhere)
        return self._known(rows, history, proposed, self._neighbours(history))

    def history(self, query: Query) -> Rows:
        """Return the rows of a query's history, newest first."""
        window = self.state.config.learning_window
        rows = self.state.items.rows_of(query.history[-window:])
        return np.array(rows[::-1], dtype=np.int64)

    def _barred(self, query: Query) -> Rows:
        items = self.state.items
        barred = np.array(items.rows_of(query.seen), dtype=np.int64)
        if items.has_gaps:
            barred = np.concatenate([barred, np.flatnonzero(~items.servable[: items.size])])
        return np.unique(barred)

    def _neighbours(self, history: Rows) -> tuple[Rows, Floats, Floats]:
        return self.state.rules.neighbours(history, float(self.state.progress.time_ms))

    def _near(self, history: Rows, barred: int) -> Rows:
        if not len(history):
            return history
        state = self.state
        query = state.encoder.query(history)
        return state.index.search(query, self.by_encoder + barred, state.items.size)

    def _known(
        self,
        rows: Rows,
        history: Rows,
        proposed: dict[str, Mask],
        found: tuple[Rows, Floats, Floats],
    ) -> Candidates:
        state = self.state
        neighbours, rules, last = found
        scores = np.zeros((2, len(rows), state.rules.channels), dtype=np.float32)
        places = np.searchsorted(rows, neighbours)
        places[places == len(rows)] = 0
        held = rows[places] == neighbours if len(rows) else np.zeros(0, dtype=bool)
        scores[0, places[held]], scores[1, places[held]] = rules[held], last[held]
        shares = state.popularity.shares(rows)
        encoded = np.zeros(len(rows), dtype=np.float32)
        if len(history):
            encoded = state.encoder.scores(state.encoder.query(history), rows)
        own = {
            "popularity": shares.sum(axis=1),
            "rules": state.rules.blend(scores[0]),
            "encoder": encoded,
            "session": _recency(rows, history),
        }
        return Candidates(rows, history, proposed, own, scores[0], scores[1], shares)


def _best(scores: Floats, count: int) -> Rows:
    if len(scores) <= count:
        return np.arange(len(scores))
    return np.argpartition(-scores, count - 1)[:count]


def _without(rows: Rows, barred: Rows) -> Rows:
    return rows[~np.isin(rows, barred)] if len(barred) else rows


def _recency(rows: Rows, history: Rows) -> Floats:
    """Return 1 for the history's newest item, 1/2 for the one before, 0 for what it lacks."""
    recency = np.zeros(len(rows), dtype=np.float32)
    for place in range(len(history) - 1, -1, -1):
        found = np.searchsorted(rows, history[place])
        if found < len(rows) and rows[found] == history[place]:
            recency[found] = 1 / (1 + place)
    return recency
