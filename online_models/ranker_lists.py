"""What the ranker learns from: the candidates of an example, their features, the chosen one."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from online_models import candidate_kernels as kernels
from online_models.asked import Asked, read
from online_models.content import Profile
from online_models.content_source import alike, borrow, told
from online_models.feature_names import CONTENT, OTHERS
from online_models.features import HOUR_MS, write_lifts
from online_models.items import UNKNOWN
from online_models.likeness import ENCODED, encoded, write_shortfalls
from online_models.retrieval import Retriever
from online_models.rows import distinct, member
from online_models.state import ModelState
from schemas.examples import Query

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class ListMaker(Protocol):
    """Makes the lists that the ranker learns from."""

    def of(self, query: Query, target: int) -> tuple[Floats, int] | None:
        """Return features and the target's place; ``None`` where nobody proposes the target."""


class RankerLists:
    """Makes lists as ``Recommender`` ranks them, without ranking, and in a third of the time.

    The candidates are those that the retriever finds, but where sources tie at their bound; the
    features are those of ``features``. A test holds both against each other.

    Parameters
    ----------
    retriever
        Its bounds are kept, and its model is read.
    """

    def __init__(self, retriever: Retriever) -> None:
        self.state: ModelState = retriever.state
        self.retriever = retriever
        self._most = np.array(
            [
                retriever.by_popularity,
                retriever.by_rules,
                retriever.by_encoder,
                retriever.own_items,
            ]
        )
        self._logs = np.log1p(np.arange(self.state.config.learning_window + 1))
        self._scratch = self._made()

    def of(self, query: Query, target: int) -> tuple[Floats, int] | None:
        """Return features and the target's place; ``None`` where nobody proposes the target."""
        state = self.state
        if target == UNKNOWN or not state.items.servable[target]:
            return None
        if len(self._scratch.flags) < len(state.rules.ids.array):
            self._scratch = self._made()
        asked = read(state, query)
        history = asked.history
        scratch, rules = self._scratch, state.rules
        norms = rules.norms(history, float(state.progress.time_ms))
        found = kernels.follow(
            rules.ids.array,
            rules.weights.array,
            norms,
            history,
            scratch.places,
            scratch.neighbours,
            scratch.sums,
            scratch.rests,
            scratch.newest,
        )
        profile = state.content.profile(history)
        try:
            rows = self._with_alike(self._candidates(asked, found), asked, profile)
            place = int(rows.searchsorted(target))
            if place == len(rows) or rows[place] != target:
                return None
            return self._features(rows, asked, profile), place
        finally:
            kernels.forget(found, scratch.neighbours, scratch.places)

    def _made(self) -> kernels.Scratch:
        rules = self.state.rules
        neighbours = rules.ids.array.shape[1]
        most = max(1, rules.scoring_window * neighbours)
        return kernels.Scratch(len(rules.ids.array), most, rules.channels)

    def _candidates(self, asked: Asked, found: int) -> Rows:
        state, scratch = self.state, self._scratch
        size = state.items.size
        state.popularity.lists(size)
        count = kernels.propose(
            asked.history,
            asked.barred,
            state.items.servable,
            found,
            scratch.neighbours,
            scratch.sums,
            state.rules.mix,
            state.popularity.tops,
            state.popularity.held,
            self._near(asked, size),
            self._most,
            scratch.flags,
            scratch.rows,
        )
        return scratch.rows[:count]

    def _with_alike(self, rows: Rows, asked: Asked, profile: Profile | None) -> Rows:
        if profile is None:
            return rows
        servable = self.state.items.servable
        more = alike(self.state, profile, lambda some: servable[some] & ~member(some, asked.barred))
        return distinct(np.concatenate([rows, more]))

    def _near(self, asked: Asked, size: int) -> Floats:
        """Return the encoder's score of each row; -inf where the index does not come by."""
        vector = asked.vector
        if vector is None:
            return np.zeros(0, dtype=np.float32)
        index, outputs = self.state.index, self.state.encoder.output.array
        if index.is_exact(size):
            return outputs[:size] @ vector
        items = self.state.items
        count = self.retriever.by_encoder + len(asked.barred)
        found = index.search(
            vector, count, size, among=items.servable if items.unservable else None
        )
        near = np.full(size, -np.inf, dtype=np.float32)
        near[found] = outputs[found] @ vector
        return near

    def _features(self, rows: Rows, asked: Asked, profile: Profile | None) -> Floats:
        state, history = self.state, asked.history
        scratch = self._scratch
        counts = state.popularity.counts.array
        at = 2 * state.rules.channels + counts.shape[1]
        logs = np.empty((len(rows), at), dtype=np.float32)
        table = np.empty((len(rows), at + len(OTHERS) + len(CONTENT)), dtype=np.float32)
        times = np.empty(len(rows), dtype=np.int64)
        own = table[:, at + ENCODED + 3 :]
        recency = own[:, 0]
        kernels.describe(
            rows,
            history,
            scratch.places,
            scratch.sums,
            scratch.newest,
            counts,
            state.popularity.totals.array[0],
            logs,
            recency,
            times,
            own[:, 3],
        )
        table[:, :at] = np.log(logs, out=logs)
        table[:, -len(CONTENT) :] = told(state, rows, profile)
        borrow(table[:, :at], table[:, -len(CONTENT) :])
        table[:, at : at + ENCODED] = encoded(state, rows, asked)
        write_shortfalls(state, table[:, :at], table[:, at + ENCODED : at + ENCODED + 3])
        own[:, 1] = self._logs[times]
        own[:, 2] = recency == 1
        own[:, 4] = np.log1p(np.float32(len(history)))
        own[:, 5] = len(set(history.tolist())) / max(1, len(history))
        age_ms = np.maximum(state.progress.time_ms - state.items.first_seen_ms.array[rows], 0)
        own[:, 6] = np.log1p(age_ms / HOUR_MS)
        lifts = state.contexts.lifts(rows, asked.slots, float(state.progress.time_ms))
        write_lifts(lifts, own[:, 7:10])
        return table
