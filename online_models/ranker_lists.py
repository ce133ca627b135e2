"""What the ranker learns from: the candidates of an example, their features, the chosen one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from online_models import encoder_kernels
from online_models import list_kernels as kernels
from online_models.agreed import ALONE, EVERYTHING
from online_models.asked import earlier_of, history_of, slots_of
from online_models.awaited_kernels import Model, Waiting, Written
from online_models.awaited_lists import Awaited
from online_models.candidate_kernels import Scratch
from online_models.content import shares_of
from online_models.content_kernels import Liked, Words
from online_models.content_source import BY_CONTENT, PEERS
from online_models.contexts import MOST, PRIOR_EVENTS
from online_models.counting import counting_of, nothing
from online_models.counting_kernels import Run
from online_models.decay_kernels import increments
from online_models.encoder import HEADS, NEAR, READS, USES
from online_models.feature_kernels import BESIDE
from online_models.feature_names import CONTENT, LIFTS, TASTE, told_by
from online_models.features import HOUR_MS
from online_models.fields import BUCKETS, FIELDS
from online_models.items import UNKNOWN
from online_models.joined_kernels import Joined, joined, joined_arrays, pad
from online_models.likeness import LIKE_ITEMS
from online_models.lists import GrowingLists
from online_models.popularity import TRUST
from online_models.retrieval import SOURCES, Retriever
from online_models.rows import NO_ROWS, distinct
from online_models.rules import RELAYS
from online_models.state import ModelState
from schemas.examples import Query

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

ENCODER = SOURCES.index("encoder")


class RankerLists:
    """Makes lists as ``Recommender`` ranks them, without ranking, and in a fraction of the time.

    The candidates are those that the retriever finds, but where sources tie at their bound, or
    where a graph takes over from exact search within a micro-batch; the features are those of
    ``features``. A test holds both against each other.

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
                BY_CONTENT,
            ]
        )
        self._most *= [source != without for source in SOURCES]
        self._untold = told_by(without, self.state.config)
        window = np.arange(self.state.config.learning_window + 1)
        self._log_times = np.log1p(window).astype(np.float32)
        self._scratch = self._made()
        self._liked = Liked.made(BUCKETS, FIELDS * self.state.config.learning_window)
        self._logs = np.empty(0, dtype=np.float32)

    def ask(
        self, query: Query, target: int, now_ms: int, *, event: int = 0, weight: float = 1.0
    ) -> Awaited | None:
        """Return what a list is made of; ``None`` where its target may not be proposed."""
        items = self.state.items
        if target == UNKNOWN or not items.servable[target]:
            return None
        return Awaited(
            target,
            history_of(self.state, query),
            earlier_of(self.state, query),
            [*set(items.rows_of(query.seen))],
            slots_of(self.state, query),
            now_ms,
            event,
            weight,
        )

    def of(self, query: Query, target: int) -> tuple[Floats, int] | None:
        """Return features and the target's place; ``None`` where nobody proposes the target."""
        awaited = self.ask(query, target, self.state.progress.time_ms)
        if awaited is None:
            return None
        lists = GrowingLists(self.state.ranker.features)
        self.make([awaited], nothing(self.state), lists)
        features, _, places, _ = lists.part(0, len(lists))
        return (features, int(places[0])) if len(places) else None

    def make(self, awaited: Sequence[Awaited], run: Run, lists: GrowingLists) -> None:
        """Add the lists to others, but for those whose target nobody proposes.

        The events of the run are counted, up to that of the last list. Since the lists were asked
        for, the encoder must not have learnt.
        """
        counting, rising = counting_of(self.state), self._rising(run)
        indexed, waiting = self._waiting(awaited, rising)
        model = self._model(indexed, rising if self.state.index.is_exact else NO_ROWS)
        written = self._written(len(awaited), lists)
        logged = kernels.make(
            *(run, counting.counters(), waiting, model, self._scratch, self._liked, written)
        )
        counting.mark(run, 0, awaited[-1].event)
        logs = written.logs[:logged]
        np.log(logs, out=logs)
        kernels.complete(waiting, model, TASTE, LIFTS, written)
        if self._untold:
            written.table[: written.lengths.sum(), self._untold] = 0
        for one, length, place in zip(
            awaited, written.lengths.tolist(), written.places.tolist(), strict=True
        ):
            if place != UNKNOWN:
                lists.add(length, place, one.weight)

    def _waiting(self, awaited: Sequence[Awaited], rising: Rows) -> tuple[Rows, Waiting]:
        """Return who is indexed, and the lists as arrays."""
        state, rules, contexts = self.state, self.state.rules, self.state.contexts
        histories = np.empty((len(awaited), state.config.learning_window), dtype=np.int64)
        earlier = np.empty((len(awaited), state.encoder.window), dtype=np.int64)
        slots = np.empty((len(awaited), MOST), dtype=np.int64)
        together = joined([one.history for one in awaited])
        pad(together, histories)
        pad(joined([one.earlier for one in awaited]), earlier)
        pad(joined_arrays([one.slots for one in awaited]), slots)
        vectors = self._vectors(histories, earlier, slots)
        indexed, near = self._near(vectors)
        numbers = np.array([(one.event, one.target, one.now_ms) for one in awaited])
        events, targets, now_ms = numbers.T.copy()
        times_ms = now_ms.astype(np.float64)
        return indexed, Waiting(
            events=events,
            targets=targets,
            histories=histories,
            earlier=earlier,
            slots=slots,
            vectors=vectors,
            near=near,
            barred=joined([one.barred for one in awaited]),
            nearest=self._nearest(awaited, vectors, rising),
            worth=self._worth(awaited, together.rows),
            worth_ends=together.ends * state.content.used,
            now_ms=now_ms,
            fresh=increments(rules.landmarks, times_ms),
            few=np.float32(PRIOR_EVENTS) * increments(contexts.landmarks, times_ms)[:, 0],
        )

    def _rising(self, run: Run) -> Rows:
        """Return the rows that are not established, and may be before the run is counted."""
        self.state.popularity.refresh()
        rows = distinct(run.targets[run.targets >= 0])
        return rows[~self.state.popularity.established[rows]]

    def _model(self, indexed: Rows, rising: Rows) -> Model:
        state, rules, encoder = self.state, self.state.rules, self.state.encoder
        popularity, contexts, content = state.popularity, state.contexts, state.content
        return Model(
            servable=state.items.servable,
            indexed=indexed,
            offered=state.items.servable[indexed],
            rising=rising,
            established=popularity.established,
            ids=rules.ids.array,
            weights=rules.weights.array,
            rule_totals=rules.totals.array,
            norm=rules.norm,
            by_position=rules.position_weights,
            mix=rules.mix,
            relays=RELAYS,
            tops=popularity.tops,
            held=popularity.held,
            counts=popularity.counts.array,
            totals=popularity.totals.array[0],
            evidence=popularity.evidence.array,
            trust=TRUST,
            first_seen_ms=state.items.first_seen_ms.array,
            unit_ms=HOUR_MS,
            context_counts=contexts.counts.array,
            context_totals=contexts.totals.array,
            fields=contexts.fields.numbers.array,
            everything=EVERYTHING,
            outputs=encoder.output.array,
            inputs=encoder.input.array,
            near=NEAR,
            most_alike=LIKE_ITEMS,
            log_times=self._log_times,
            most=self._most,
            described=content.used,
            words=Words.of(content),
            contents=len(CONTENT),
            peers=PEERS,
        )

    def _written(self, count: int, lists: GrowingLists) -> Written:
        """Return room for as many candidates as so many lists may have."""
        state = self.state
        if len(self._scratch.flags) < len(state.rules.ids.array):
            self._scratch = self._made()
        horizons = len(state.popularity.held)
        most = int(self._most[1:].sum()) + ALONE * horizons * int(self._most[0]) + BY_CONTENT
        most = count * min(most, state.items.size)
        logs = most * (2 * state.rules.channels + horizons + BESIDE + MOST)
        if len(self._logs) < logs:
            self._logs = np.empty(logs, dtype=np.float32)
        return Written(
            table=lists.room(most),
            logs=self._logs,
            rows=np.empty(most, dtype=np.int64),
            tastes=np.empty((count, 2), dtype=np.float64),
            mixtures=np.empty((count, horizons), dtype=np.float32),
            lengths=np.empty(count, dtype=np.int64),
            places=np.empty(count, dtype=np.int64),
        )

    def _vectors(self, histories: Rows, earlier: Rows, slots: Rows) -> Floats:
        """Return the queries, of shape ``(lists, dimensions + 1)``."""
        encoder, count = self.state.encoder, len(histories)
        attention = np.empty((count, HEADS, encoder.window), dtype=np.float32)
        vectors = np.empty((count, encoder.dimensions + 1), dtype=np.float32)
        encoder_kernels.read(
            READS,
            USES,
            np.stack([histories[:, : encoder.window], earlier], axis=1),  # (lists, PARTS, window)
            slots,
            *encoder.pulls(),
            encoder.input.array,
            encoder.context.array,
            attention,
            vectors,
        )
        return vectors

    def _near(self, vectors: Floats) -> tuple[Rows, Floats]:
        """Return who is indexed, and about their scores; nobody where the index is not exact."""
        if not self._most[ENCODER] or not self.state.index.is_exact:
            return NO_ROWS, np.empty((len(vectors), 0), dtype=np.float32)
        return self.state.index.products(vectors)

    def _nearest(self, awaited: Sequence[Awaited], vectors: Floats, rising: Rows) -> Joined:
        """Return the rows that the index finds, best first; none where it is exact."""
        index, items, found = self.state.index, self.state.items, [NO_ROWS] * len(awaited)
        among = items.servable if items.unservable else None
        if self._most[ENCODER] and not index.is_exact:
            for n, one in enumerate(awaited):
                if one.readable:
                    count = self.retriever.by_encoder + len(one.barred)
                    found[n] = index.search(vectors[n], count, among=among, also=rising)
        return joined_arrays(found)

    def _worth(self, awaited: Sequence[Awaited], items: Rows) -> Floats:
        """Return what each word of the histories' items adds, of shape ``(items, FIELDS)``."""
        if not self.state.content.used:
            return np.zeros((0, FIELDS), dtype=np.float32)
        shares = np.concatenate([shares_of(len(one.history)) for one in awaited])
        return self.state.content.worth(items, shares)

    def _made(self) -> Scratch:
        rules = self.state.rules
        most = max(1, rules.scoring_window * rules.ids.array.shape[1])
        return Scratch.made(len(rules.ids.array), most, rules.channels)
