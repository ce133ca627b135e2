"""What the ranker learns from: the candidates of an example, their features, the chosen one."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from online_models import candidate_kernels as kernels
from online_models import encoder_kernels
from online_models import feature_kernels as features
from online_models.asked import Asked, earlier_rows
from online_models.content import Profile
from online_models.content_source import alike, borrow, told
from online_models.contexts import EVERYTHING, PRIOR_EVENTS
from online_models.decay_kernels import increments
from online_models.encoder import HEADS, NEAR, PARTS, READS, USES
from online_models.feature_names import CONTENT, LIFTS, OTHERS, TASTE, told_by
from online_models.features import HOUR_MS
from online_models.items import UNKNOWN
from online_models.likeness import ENCODED, LIKE_ITEMS
from online_models.popularity import TRUST
from online_models.retrieval import SOURCES, Retriever
from online_models.rows import distinct, member
from online_models.state import ModelState
from schemas.examples import Query

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

NO_SCORES = np.zeros(0, dtype=np.float32)
NO_ROWS = np.zeros(0, dtype=np.int64)


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
    without
        A source that proposes nothing, and whose features are 0: see ``ablation``.
    """

    def __init__(self, retriever: Retriever, *, without: str = "") -> None:
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
        self._most *= [source != without for source in SOURCES if source != "content"]
        self._by_content = without != "content"
        self._untold = told_by(without, self.state.config)
        window = np.arange(self.state.config.learning_window + 1)
        self._log_times = np.log1p(window).astype(np.float32)
        self._scratch = self._made()

    def of(self, query: Query, target: int) -> tuple[Floats, int] | None:
        """Return features and the target's place; ``None`` where nobody proposes the target."""
        state = self.state
        if target == UNKNOWN or not state.items.servable[target]:
            return None
        if len(self._scratch.flags) < len(state.rules.ids.array):
            self._scratch = self._made()
        asked = self._read(query)
        history, scratch, rules = asked.history, self._scratch, state.rules
        found = kernels.follow(
            rules.ids.array,
            rules.weights.array,
            self._norms(history),
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
            table = self._features(rows, asked, profile)
            table[:, self._untold] = 0
            return table, place
        finally:
            kernels.forget(found, scratch.neighbours, scratch.places)

    def _read(self, query: Query) -> Asked:
        """Do what ``asked.read`` does, though ``barred`` may hold a row twice, in any order."""
        state, window = self.state, self.state.config.learning_window
        items, encoder = state.items, state.encoder
        history = np.array(items.rows_of(query.history[-window:])[::-1], dtype=np.int64)
        barred = np.array(items.rows_of(query.seen), dtype=np.int64)
        slots = state.contexts.slots_of(query.context)
        earlier = earlier_rows(state, query)
        if not len(history) and not len(earlier):
            return Asked(history, earlier, barred, slots, None)
        read = np.full((1, PARTS, encoder.window), UNKNOWN)
        for part, rows in enumerate((history[: encoder.window], earlier)):
            read[0, part, : len(rows)] = rows
        attention = np.empty((1, HEADS, encoder.window), dtype=np.float32)
        vectors = np.empty((1, encoder.dimensions + 1), dtype=np.float32)
        encoder_kernels.read(
            READS,
            USES,
            read,
            slots[None],
            *encoder.pulls(),
            encoder.input.array,
            encoder.context.array,
            attention,
            vectors,
        )
        return Asked(history, earlier, barred, slots, vectors[0])

    def _norms(self, history: Rows) -> Floats:
        """Do what ``Rules.norms`` does."""
        rules = self.state.rules
        history = history[: rules.scoring_window]
        fresh = increments(rules.landmarks, self._now_ms())[0]
        norms = np.empty((len(history), rules.channels), dtype=np.float32)
        kernels.norms(rules.totals.array, history, fresh, rules.norm, rules.position_weights, norms)
        return norms

    def _now_ms(self) -> npt.NDArray[np.float64]:
        return np.array([self.state.progress.time_ms], dtype=np.float64)

    def _made(self) -> kernels.Scratch:
        rules = self.state.rules
        neighbours = rules.ids.array.shape[1]
        most = max(1, rules.scoring_window * neighbours)
        return kernels.Scratch(len(rules.ids.array), most, rules.channels)

    def _candidates(self, asked: Asked, found: int) -> Rows:
        state, scratch = self.state, self._scratch
        state.popularity.refresh(state.items.size)
        near, nearest = self._near(asked, state.items.size)
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
            near,
            nearest,
            self._most,
            scratch.flags,
            scratch.rows,
        )
        return scratch.rows[:count]

    def _with_alike(self, rows: Rows, asked: Asked, profile: Profile | None) -> Rows:
        if profile is None or not self._by_content:
            return rows
        servable, barred = self.state.items.servable, distinct(asked.barred)
        more = alike(self.state, profile, lambda some: servable[some] & ~member(some, barred))
        return distinct(np.concatenate([rows, more]))

    def _near(self, asked: Asked, size: int) -> tuple[Floats, Rows]:
        """Return the encoder's scores of all rows, or the rows that the index finds, best first."""
        if asked.vector is None:
            return NO_SCORES, NO_ROWS
        index, items = self.state.index, self.state.items
        if index.is_exact(size):
            return self.state.encoder.output.array[:size] @ asked.vector, NO_ROWS
        count = self.retriever.by_encoder + len(asked.barred)
        among = items.servable if items.unservable else None
        return NO_SCORES, index.search(asked.vector, count, size, among=among)

    def _features(self, rows: Rows, asked: Asked, profile: Profile | None) -> Floats:
        state, popularity = self.state, self.state.popularity
        at = 2 * state.rules.channels + popularity.counts.array.shape[1]
        table = np.empty((len(rows), at + len(OTHERS) + len(CONTENT)), dtype=np.float32)
        table[:, -len(CONTENT) :] = told(state, rows, profile)
        logs = np.empty((len(rows), at + 4 + len(asked.slots)), dtype=np.float32)
        own = table[:, at + ENCODED + 3 :]
        self._write_logs(rows, asked, logs, own[:, 3])
        self._borrow(logs, at, table[:, -len(CONTENT) :])
        np.log(logs, out=logs)
        table[:, :at] = logs[:, :at]
        self._liken(rows, asked, table[:, at : at + ENCODED])
        features.compare(logs[:, at : at + 3], table[:, at + ENCODED : at + ENCODED + 3])
        features.recall(rows, asked.history, self._log_times, own)
        features.recollect(rows, asked.earlier, self._log_times, own[:, 6:8])
        own[:, 8] = logs[:, at + 3]
        taste, lifts = own[:, 9 : 9 + TASTE], own[:, 9 + TASTE : 9 + TASTE + LIFTS]
        features.taste(
            asked.history,
            popularity.counts.array[:, -1],
            popularity.totals.array[0, -1],
            state.items.first_seen_ms.array,
            state.progress.time_ms,
            HOUR_MS,
            table[:, at - 1],
            own[:, 8],
            taste,
        )
        features.sum_up(logs[:, at + 4 :], state.contexts.fields.of(asked.slots), lifts)
        return table

    def _write_logs(self, rows: Rows, asked: Asked, logs: Floats, ruled: Floats) -> None:
        """Write what is to be on a log scale; ``ruled`` gets whether rules know a candidate."""
        state, scratch, contexts = self.state, self._scratch, self.state.contexts
        counts = state.popularity.counts.array
        features.count(
            rows,
            scratch.places,
            scratch.sums,
            scratch.newest,
            state.rules.mix,
            counts,
            state.popularity.totals.array[0],
            state.popularity.evidence.array,
            TRUST,
            logs,
            ruled,
        )
        at = 2 * state.rules.channels + counts.shape[1] + 3
        now_ms = state.progress.time_ms
        features.age(rows, state.items.first_seen_ms.array, now_ms, HOUR_MS, logs[:, at])
        if len(asked.slots):
            few = np.float32(PRIOR_EVENTS) * increments(contexts.landmarks, self._now_ms())[0, 0]
            totals, lifts = contexts.totals.array, logs[:, at + 1 :]
            features.lift(rows, asked.slots, contexts.counts.array, totals, few, EVERYTHING, lifts)

    def _borrow(self, counts: Floats, at: int, content: Floats) -> None:
        """Do what ``borrow`` does, and blend what was borrowed."""
        state, channels = self.state, self.state.rules.channels
        new = borrow(counts[:, :at], content)
        if len(new):
            counts[new, at] = state.rules.blend(counts[new, :channels])
            counts[new, at + 1] = state.rules.blend(counts[new, channels : 2 * channels])
            counts[new, at + 2] = state.popularity.blend(counts[new, 2 * channels : at])

    def _liken(self, rows: Rows, asked: Asked, table: Floats) -> None:
        encoder = self.state.encoder
        if asked.vector is None:
            table[:] = 0
            return
        outputs, inputs = encoder.output.array, encoder.input.array[:, NEAR]
        features.liken(rows, asked.vector, outputs, inputs, asked.history[:LIKE_ITEMS], table)
