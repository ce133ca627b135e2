"""What the ranker learns from: the candidates of an example, their features, the chosen one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from online_models import candidate_kernels as candidates
from online_models import encoder_kernels
from online_models import feature_kernels as features
from online_models import neighbour_kernels as neighbours
from online_models.asked import NO_ROWS, earlier_rows, history_rows, slots_of
from online_models.awaited_lists import Awaited
from online_models.content import Profile
from online_models.content_source import alike, borrow, told
from online_models.contexts import EVERYTHING, MOST, PRIOR_EVENTS
from online_models.decay_kernels import increments
from online_models.encoder import HEADS, NEAR, PARTS, READS, USES
from online_models.feature_names import CONTENT, LIFTS, OTHERS, TASTE, told_by
from online_models.features import HOUR_MS
from online_models.items import UNKNOWN
from online_models.likeness import LIKE_ITEMS
from online_models.popularity import TRUST
from online_models.retrieval import SOURCES, Retriever
from online_models.rows import distinct, member
from online_models.state import ModelState
from schemas.examples import Query

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

NO_SCORES = np.zeros(0, dtype=np.float32)
ENCODER = SOURCES.index("encoder")


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
        awaited = self.ask(query, target, self.state.progress.time_ms)
        if awaited is None:
            return None
        [(vector, near)] = self.read([awaited])
        return self.make(awaited, vector, near)

    def ask(self, query: Query, target: int, now_ms: int) -> Awaited | None:
        """Return what a list is made of; ``None`` where its target may not be proposed."""
        items = self.state.items
        if target == UNKNOWN or not items.servable[target]:
            return None
        return Awaited(
            target,
            history_rows(self.state, query),
            earlier_rows(self.state, query),
            np.array(items.rows_of(query.seen), dtype=np.int64),
            slots_of(self.state, query),
            items.size,
            now_ms,
        )

    def read(self, awaited: Sequence[Awaited]) -> list[tuple[Floats, Floats]]:
        """Return each one's query, and its scores of all rows where the index is exact.

        The query is empty where there is nothing to read. Until the lists are made, the encoder
        must not learn.
        """
        size = awaited[-1].size  # it only grows
        vectors = self._vectors(awaited)
        near = [NO_SCORES] * len(awaited)
        if self._most[ENCODER] and self.state.index.is_exact(size):
            near = list(vectors @ self.state.encoder.output.array[:size].T)  # (lists, size)
        return [
            (vector, scores[: one.size]) if one.readable else (NO_SCORES, NO_SCORES)
            for one, vector, scores in zip(awaited, vectors, near, strict=True)
        ]

    def make(self, awaited: Awaited, vector: Floats, near: Floats) -> tuple[Floats, int] | None:
        """Return features and the target's place; ``None`` where nobody proposes the target.

        ``vector`` and ``near`` are as ``read`` returns them. All that came before is counted.
        """
        if len(self._scratch.flags) < len(self.state.rules.ids.array):
            self._scratch = self._made()
        found, count = self._gather(awaited, vector, near)
        scratch, profile = self._scratch, self.state.content.profile(awaited.history)
        try:
            rows = self._with_alike(scratch.rows[:count], awaited, profile)
            place = int(rows.searchsorted(awaited.target))
            if place == len(rows) or rows[place] != awaited.target:
                return None
            return self._features(rows, awaited, vector, profile), place
        finally:
            neighbours.forget(found, scratch.neighbours, scratch.places)

    def _vectors(self, awaited: Sequence[Awaited]) -> Floats:
        """Return the queries, of shape ``(lists, dimensions + 1)``."""
        encoder, count = self.state.encoder, len(awaited)
        histories = np.full((count, PARTS, encoder.window), UNKNOWN)
        slots = np.full((count, MOST), UNKNOWN)
        for n, one in enumerate(awaited):
            history = one.history[: encoder.window]
            histories[n, 0, : len(history)] = history
            histories[n, 1, : len(one.earlier)] = one.earlier
            slots[n, : len(one.slots)] = one.slots
        attention = np.empty((count, HEADS, encoder.window), dtype=np.float32)
        vectors = np.empty((count, encoder.dimensions + 1), dtype=np.float32)
        encoder_kernels.read(
            READS,
            USES,
            histories,
            slots,
            *encoder.pulls(),
            encoder.input.array,
            encoder.context.array,
            attention,
            vectors,
        )
        return vectors

    def _made(self) -> candidates.Scratch:
        rules = self.state.rules
        most = max(1, rules.scoring_window * rules.ids.array.shape[1])
        return candidates.Scratch(len(rules.ids.array), most, rules.channels)

    def _gather(self, awaited: Awaited, vector: Floats, near: Floats) -> tuple[int, int]:
        """Return how many neighbours and candidates there are: the scratch holds them."""
        state, scratch, rules = self.state, self._scratch, self.state.rules
        found = neighbours.follow(
            rules.ids.array,
            rules.weights.array,
            rules.totals.array,
            increments(rules.landmarks, _times(awaited.now_ms))[0],
            rules.norm,
            rules.position_weights,
            awaited.history,
            scratch.places,
            scratch.neighbours,
            scratch.sums,
            scratch.rests,
            scratch.newest,
        )
        state.popularity.refresh(state.items.size)
        count = candidates.propose(
            awaited.history,
            awaited.barred,
            state.items.servable,
            found,
            scratch.neighbours,
            scratch.sums,
            rules.mix,
            state.popularity.tops,
            state.popularity.held,
            near,
            vector,
            state.encoder.output.array,
            self._nearest(awaited, vector),
            self._most,
            scratch.flags,
            scratch.rows,
        )
        return found, count

    def _nearest(self, awaited: Awaited, vector: Floats) -> Rows:
        """Return the rows that the index finds, best first; none where it is exact."""
        index, items = self.state.index, self.state.items
        if not len(vector) or not self._most[ENCODER] or index.is_exact(awaited.size):
            return NO_ROWS
        count = self.retriever.by_encoder + len(awaited.barred)
        among = items.servable if items.unservable else None
        return index.search(vector, count, awaited.size, among=among)

    def _with_alike(self, rows: Rows, awaited: Awaited, profile: Profile | None) -> Rows:
        if profile is None or not self._by_content:
            return rows
        servable, barred = self.state.items.servable, distinct(awaited.barred)
        more = alike(self.state, profile, lambda some: servable[some] & ~member(some, barred))
        return distinct(np.concatenate([rows, more]))

    def _features(
        self, rows: Rows, awaited: Awaited, vector: Floats, profile: Profile | None
    ) -> Floats:
        at = 2 * self.state.rules.channels + len(self.state.popularity.held)
        table = np.empty((len(rows), at + len(OTHERS) + len(CONTENT)), dtype=np.float32)
        table[:, -len(CONTENT) :] = 0
        logs = np.empty((len(rows), at + 4 + len(awaited.slots)), dtype=np.float32)
        self._write(rows, awaited, vector, logs, table)
        if self.state.content.used:
            table[:, -len(CONTENT) :] = told(self.state, rows, profile)
            self._borrow(logs, at, table[:, -len(CONTENT) :])
        np.log(logs, out=logs)
        self._finish(logs, awaited, at, table)
        if self._untold:
            table[:, self._untold] = 0
        return table

    def _write(
        self, rows: Rows, awaited: Awaited, vector: Floats, logs: Floats, table: Floats
    ) -> None:
        state, scratch = self.state, self._scratch
        popularity, contexts, encoder = state.popularity, state.contexts, state.encoder
        few = (
            np.float32(PRIOR_EVENTS) * increments(contexts.landmarks, _times(awaited.now_ms))[0, 0]
        )
        features.write(
            rows,
            awaited.history,
            awaited.earlier,
            vector,
            awaited.slots,
            scratch.places,
            scratch.sums,
            scratch.newest,
            state.rules.mix,
            popularity.counts.array,
            popularity.totals.array[0],
            popularity.evidence.array,
            TRUST,
            state.items.first_seen_ms.array,
            awaited.now_ms,
            HOUR_MS,
            contexts.counts.array,
            contexts.totals.array,
            few,
            EVERYTHING,
            encoder.output.array,
            encoder.input.array,
            NEAR,
            LIKE_ITEMS,
            self._log_times,
            logs,
            table,
        )

    def _finish(self, logs: Floats, awaited: Awaited, at: int, table: Floats) -> None:
        state, popularity = self.state, self.state.popularity
        features.finish(
            logs,
            awaited.history,
            popularity.counts.array,
            popularity.totals.array[0],
            state.items.first_seen_ms.array,
            awaited.now_ms,
            HOUR_MS,
            state.contexts.fields.of(awaited.slots),
            at,
            TASTE,
            LIFTS,
            table,
        )

    def _borrow(self, counts: Floats, at: int, content: Floats) -> None:
        """Do what ``borrow`` does, and blend what was borrowed."""
        state, channels = self.state, self.state.rules.channels
        new = borrow(counts[:, :at], content)
        if len(new):
            counts[new, at] = state.rules.blend(counts[new, :channels])
            counts[new, at + 1] = state.rules.blend(counts[new, channels : 2 * channels])
            counts[new, at + 2] = state.popularity.blend(counts[new, 2 * channels : at])


def _times(now_ms: int) -> npt.NDArray[np.float64]:
    return np.array([now_ms], dtype=np.float64)
