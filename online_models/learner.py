"""The learner: examples in, log entries out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from operator import itemgetter
from typing import Protocol

import msgspec

from online_models.index_upkeep import IndexUpkeep
from online_models.list_sample import ListSample
from online_models.micro_batch import MicroBatch
from online_models.ranker_lists import RankerLists
from online_models.recommender import Ranking, Recommender
from online_models.state import ModelState
from online_models.training import Training
from schemas.events import ItemUpdate
from schemas.examples import Example, Feedback
from schemas.model_log import Entry, Graph, Publish, Put
from schemas.positions import Marks, advance, mark_of

SMALLEST_BASE_BYTES = 4 * 2**20
"""Smaller bases count as this large, so that a young model does not write one all the time."""

Aside = tuple[int, ItemUpdate | Feedback]


class Observer(Protocol):
    """Sees rankings before their events are learnt, to measure."""

    def wants(self, example: Example) -> bool:
        """Return whether the ranking of this example is to be shown. Called once, in order."""

    def observe(self, example: Example, ranking: Ranking) -> None:
        """Take a ranking in, as it stood just before the event."""


class Learner:
    """Absorbs examples in source order and tells what it learnt as entries with absolute values.

    Counting models absorb every event at once; the encoder and the ranker learn at the end of a
    micro-batch, which is cut by count, however the examples arrive. Publishes are cut only there,
    so that one mark per source tells what is contained: a publish holds whole micro-batches.

    The ranker learns from the lists of a stable sample of units: all of them while the stream is
    young, later one in ``lists_every``. It learns from every labelled slate as well, with the
    features as they were served. A learner that is behind may be told to ``hurry``: it takes fewer
    lists then (see ``ListSample``), and what it learns depends on when it was told.

    Parameters
    ----------
    state
        Owned and written in place. To go on with a stored model, load it before.
    lists
        Makes what the ranker learns from; the recommender's candidates where not given.
    micro_batch
        Examples a step. Smaller ones learn more from each, and cost more.
    lists_every, all_lists_until, hurried_steps
        The ranker's sample: see ``ListSample``.
    publish_interval_ms
        The least time between publishes; ``None`` publishes only when ``collect`` is called.
    base_growth
        A base is due when the log since the last one is so many times its size.
    background
        Rebuild the index's graph on a thread; replay does it in line, to be repeatable.

    Attributes
    ----------
    labels
        What became of the labelled slates, as ``schemas.metrics.LABELS`` calls it.
    """

    def __init__(
        self,
        state: ModelState,
        recommender: Recommender | None = None,
        *,
        observer: Observer | None = None,
        lists: RankerLists | None = None,
        micro_batch: int = 64,
        lists_every: int = 2,
        all_lists_until: int = 100_000,
        hurried_steps: int = 20,
        publish_interval_ms: int | None = 250,
        base_growth: float = 1.0,
        background: bool = False,
    ) -> None:
        most = state.config.capacity // 2
        if not 1 <= micro_batch <= most:
            raise ValueError(
                f"micro_batch is {micro_batch}, it must lie within 1 and half the capacity ({most})"
            )
        self.state = state
        self.recommender = recommender or Recommender(state)
        self.observer = observer
        self._sample = ListSample(
            every=lists_every, all_until=all_lists_until, hurried_steps=hurried_steps
        )
        self.publish_interval_ms, self.base_growth = publish_interval_ms, base_growth
        self.labels: Counter[str] = Counter()
        lists = lists or RankerLists(self.recommender.retriever)
        self._batch = MicroBatch(state, micro_batch, lists)
        self._training = Training(state)
        self._upkeep = IndexUpkeep(state, background=background)
        self._marks: Marks = {t: dict(parts) for t, parts in state.progress.marks.items()}
        self._entries: list[Entry] = []
        self._published_ms = 0
        self._log_bytes, self._base_bytes = 0, 0

    @property
    def pending(self) -> int:
        """Examples and labels that wait for their micro-batch to be full."""
        return len(self._batch) + self._batch.labels

    @property
    def hurried(self) -> bool:
        """Whether lists are left out at present."""
        return self._sample.hurried

    @property
    def lists_skipped(self) -> int:
        """Lists that were left out in a hurry so far."""
        return self._sample.skipped

    def hurry(self, behind: bool) -> None:
        """Take fewer lists for the ranker from now on, or as many as usual again."""
        self._sample.hurried = behind

    def learn_many(
        self,
        examples: Sequence[Example],
        *,
        topic: str = "",
        partition: int = 0,
        until: int | None = None,
        now_ms: int = 0,
        updates: Sequence[tuple[int, ItemUpdate]] = (),
        feedback: Sequence[Feedback] = (),
    ) -> list[Publish]:
        """Absorb a run of one source, and return what was cut meanwhile.

        Parameters
        ----------
        examples, updates, feedback
            In rising order of offsets. What lies below the source's mark is contained already.
        until
            The first offset after the run; the last example's plus 1 where not given.
        now_ms
            The present, on any clock: it only times publishes.
        """
        publishes: list[Publish] = []
        start = reached = mark_of(self._marks, topic, partition)
        asides = _asides(updates, feedback, start)
        for example in examples:
            if example.offset < start:
                continue
            if asides:
                publishes += self._hear(asides, example.offset, topic, partition, now_ms)
            self._absorb(example)
            while asides and asides[0][0] == example.offset:
                self._take(asides.popleft()[1])
            reached = example.offset + 1
            if self._batch.full:
                advance(self._marks, topic, partition, reached)
                publishes += self.close_micro_batch(now_ms)
        if reached > start:
            advance(self._marks, topic, partition, reached)
        publishes += self._hear(asides, None, topic, partition, now_ms)
        if until is not None:
            advance(self._marks, topic, partition, until)
        self._batch.tell_time()
        if not self.pending and self._due(now_ms):
            publishes += self.collect(now_ms)
        return publishes

    def describe(self, update: ItemUpdate) -> None:
        """Take the catalogue's word on an item in, now. An item with words may get a row by it."""
        self._entries += self._batch.describe(update)

    def close_micro_batch(self, now_ms: int = 0) -> list[Publish]:
        """Train on the examples that wait, however few, and publish where that is due."""
        if self.pending:
            self._batch.settle()
            self._entries += self._training.step(self._batch)
            self._replace_graph(self._upkeep.check())
            self._batch.clear()
        return self.collect(now_ms) if self._due(now_ms) else []

    def collect(self, now_ms: int = 0) -> list[Publish]:
        """Return all that changed since the last publish, after a base where one is due.

        Raises
        ------
        ValueError
            A micro-batch is open: close it first.
        """
        if self.pending:
            raise ValueError(
                f"{self.pending} examples and labels wait: close the micro-batch before"
            )
        self._batch.tell_time()
        entries = (*self._entries, *self.state.collect())
        self._entries, self._published_ms = [], now_ms
        marks = {topic: dict(parts) for topic, parts in self._marks.items()}
        version = self.state.progress.version + 1
        self.state.progress = msgspec.structs.replace(
            self.state.progress, version=version, marks=marks
        )
        publish = Publish(self.state.progress, entries)
        return [*self._base(publish), publish]

    def drain(self) -> tuple[Entry, ...]:
        """Return all that changed since the last call, in the middle of a micro-batch too.

        For replicas in this process, such as measure what freshness is worth. It takes the place of
        publishing: what was drained is in no later publish, but for the bases.
        """
        self._batch.settle()
        entries = (*self._entries, *self.state.collect())
        self._entries = []
        return entries

    def _base(self, publish: Publish) -> list[Publish]:
        self._log_bytes += _size(publish)
        if self._base_bytes and self._log_bytes < self.base_growth * self._base_bytes:
            return []
        base = self.state.snapshot()
        self._base_bytes, self._log_bytes = max(_size(base), SMALLEST_BASE_BYTES), 0
        return [base]

    def _due(self, now_ms: int) -> bool:
        interval = self.publish_interval_ms
        if interval is None or now_ms - self._published_ms < interval:
            return False
        return self._marks != self.state.progress.marks

    def _replace_graph(self, graphs: list[Entry]) -> None:
        if graphs:
            kept = [one for one in self._entries if not isinstance(one, Graph)]
            self._entries = [*kept, *graphs]

    def _hear(
        self, asides: deque[Aside], before: int | None, topic: str, partition: int, now_ms: int
    ) -> list[Publish]:
        """Take in what stands before an offset, and return what was cut meanwhile."""
        publishes: list[Publish] = []
        while asides and (before is None or asides[0][0] < before):
            offset, what = asides.popleft()
            self._take(what)
            if self._batch.full and not (asides and asides[0][0] == offset):
                advance(self._marks, topic, partition, offset + 1)
                publishes += self.close_micro_batch(now_ms)
        return publishes

    def _take(self, what: ItemUpdate | Feedback) -> None:
        if isinstance(what, Feedback):
            self.labels[self._batch.label(what)] += 1
        else:
            self.describe(what)

    def _absorb(self, example: Example) -> None:
        wanted = self.observer is not None and self.observer.wants(example)
        listed = (
            example.weight > 0
            and bool(example.query.history or example.query.earlier)
            and self._takes_list(example.query.unit_key)
        )
        if wanted and self.observer is not None:
            self._batch.settle()
            self.observer.observe(example, self.recommender.rank(example.query))
        awaited = self._batch.await_list(example) if listed else None
        self._batch.tick(example.time_ms)  # only now: a request can't know when it will be answered
        if example.weight > 0:
            self._entries += self._batch.add(example, awaited)

    def _takes_list(self, unit_key: str) -> bool:
        progress = self.state.progress
        return self._sample.takes(unit_key, trained=progress.trained, step=progress.step)


def _asides(
    updates: Sequence[tuple[int, ItemUpdate]], feedback: Sequence[Feedback], start: int
) -> deque[Aside]:
    """Return what is to be taken in between the examples, by offset."""
    asides: list[Aside] = [update for update in updates if update[0] >= start]
    if feedback:
        asides += [(label.offset, label) for label in feedback if label.offset >= start]
        asides.sort(key=itemgetter(0))
    return deque(asides)


def _size(publish: Publish) -> int:
    return sum(len(e.values) + len(e.index) for e in publish.entries if isinstance(e, Put))
