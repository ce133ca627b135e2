"""A micro-batch under way: rows and times of its examples, counted as soon as anybody asks."""

from __future__ import annotations

from zlib import crc32

import msgspec
import numpy as np
import numpy.typing as npt

from online_models.asked import earlier_of, history_of, slots_of
from online_models.awaited_lists import Awaited
from online_models.contexts import SIGHTED_EVERY
from online_models.counting import counting_of
from online_models.decay import Landmarks, StreamClock
from online_models.examination import FLOOR, place_of
from online_models.gathered import Gathered, Taken
from online_models.items import UNKNOWN
from online_models.labels import features_of, weight_of
from online_models.lists import GrowingLists
from online_models.newcomers import Newcomers
from online_models.ranker_lists import RankerLists
from online_models.state import ModelState
from schemas.events import ItemUpdate
from schemas.examples import Example, Feedback
from schemas.model_log import Admit, Describe, Entry

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class MicroBatch:
    """Collects examples as arrays of rows.

    Parameters
    ----------
    state
        Items are admitted and counted there.
    size
        Examples that make it full, or labelled slates, if so many come first.
    maker
        Makes the lists that the ranker learns from.
    """

    def __init__(self, state: ModelState, size: int, maker: RankerLists) -> None:
        self.state, self.size = state, size
        self.clock = StreamClock(state.progress.time_ms, state.progress.ahead_ms)
        self.examples = Gathered(size, state.config)
        self.lists = GrowingLists(state.ranker.features)
        self.slates: list[tuple[Floats, Rows, int]] = []
        self._maker = maker
        self._awaited: list[Awaited] = []
        self._counted = self.labels = self._ticks = 0
        self._now_ms = self.clock.now_ms
        self._move_at_ms = 0.0
        self._newcomers = Newcomers(state)
        self._awaits_time = not self._now_ms

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def full(self) -> bool:
        return len(self.examples) == self.size or self.labels >= self.size

    def clear(self) -> None:
        """Begin the next one."""
        self._counted = self.labels = 0
        self.slates = []
        self.examples.clear()
        self.lists.clear()

    def tick(self, time_ms: int) -> None:
        """Let an event's time pass and count it as absorbed."""
        self._now_ms = self.clock.advance(time_ms)
        self._ticks += 1

    def await_list(self, example: Example) -> Awaited | None:
        """Let the ranker have a list of an example that is about to be added.

        Returned is what it is made of, where there may be one.
        """
        target = self.state.items.row_of(example.item_id)
        event = len(self.examples) - self._counted
        awaited = self._maker.ask(
            example.query, target, self.clock.now_ms, event=event, weight=example.weight
        )
        if awaited is not None:
            self._awaited.append(awaited)
        return awaited

    def add(self, example: Example, awaited: Awaited | None = None) -> list[Entry]:
        """Take an example in; ``awaited`` spares to look its rows up again."""
        entries = self._move_landmarks()
        if self._awaits_time:
            entries += self._admit_described()
        row = self.state.items.row_of(example.item_id)
        if row == UNKNOWN and self.state.items.sighted(example.item_id):
            row = self.state.items.next_row()
            entries.append(self._admit(row, example.item_id))
        entries += self._follow(example)
        self.examples.add(self._taken(example, row, awaited))
        return entries

    def describe(self, update: ItemUpdate) -> list[Entry]:
        """Take the catalogue's word on an item in, and give it a row if it may have one.

        Before the first event there is no time at which it could come: it waits for that.
        """
        entries: list[Entry] = [Describe((update,))]
        self._count()  # lists that wait are of what may be served now
        self.state.apply(entries[0])
        row = self.state.items.row_of(update.item_id)
        if row != UNKNOWN:
            self._newcomers.describe(row)
        elif not self._awaits_time and self._newcomers.wants_row(update, room=self.size):
            entries.append(self._admit(self.state.items.next_row(), update.item_id))
        return entries

    def label(self, feedback: Feedback) -> str:
        """Take a labelled slate in; return what became of it, as ``schemas.metrics.LABELS``."""
        self._count()  # lists come in the order of what they are of
        progress = self.state.progress
        self.state.progress = msgspec.structs.replace(progress, feedback=progress.feedback + 1)
        if len(feedback.items) < 2:
            return "alone"
        features = features_of(feedback, self.state.ranker.features)
        if features is None:
            return "unfit"
        chosen = feedback.place
        places = np.array([place_of(item.position) for item in feedback.items], dtype=np.int64)
        self.slates.append((features, places, chosen))
        self.labels += 1
        examination = self.state.examination
        # Who looks no further says nothing against what stands there.
        looked_at = (examination.curve()[places] >= FLOOR) | (places <= places[chosen])
        if looked_at.sum() > 1:
            factor = examination.factor(feedback.items[chosen].position)
            weight, place = weight_of(feedback, factor), int(looked_at[:chosen].sum())
            self.lists.append(features[looked_at], place, weight)
        return "learnt"

    def settle(self) -> None:
        """Let the model have what it has not yet: the time, and the counts."""
        self.tell_time()
        self._count()

    def tell_time(self) -> None:
        """Let the model's progress have the ticks since it was told last."""
        if not self._ticks:
            return
        progress = self.state.progress
        self.state.progress = msgspec.structs.replace(
            progress,
            absorbed=progress.absorbed + self._ticks,
            time_ms=self.clock.now_ms,
            ahead_ms=self.clock.ahead_ms,
        )
        self._ticks = 0

    def _count(self) -> None:
        """Make the lists that wait, and count the events up to now."""
        start, end = self._counted, len(self.examples)
        if start == end and not self._awaited:
            return
        self.examples.write()
        counting, examples = counting_of(self.state), self.examples
        run = counting.run(
            targets=examples.targets[start:end],
            histories=examples.histories[start:end],
            slots=examples.slots[start:end],
            weights=examples.weights[start:end],
            times_ms=examples.times_ms[start:end],
            sizes=examples.sizes[start:end],
        )
        counted = 0
        if self._awaited:
            self._maker.make(self._awaited, run, self.lists)
            counted, self._awaited = self._awaited[-1].event, []
        counting.count(run, counted, end - start)
        self._counted = end

    def _taken(self, example: Example, row: int, awaited: Awaited | None) -> Taken:
        state, query = self.state, example.query
        if awaited is None:
            history, earlier = history_of(state, query), earlier_of(state, query)
        else:
            history, earlier = awaited.history, awaited.earlier
        asked = slots_of(state, query)  # others than the list's, where a slot changed hands since
        # The query's moment counts with what was chosen then.
        slots = state.contexts.slots_of(example.context, query.moment)
        weight, size = example.weight, state.items.size
        return Taken(row, history, earlier, asked, slots, weight, self._now_ms, size)

    def _follow(self, example: Example) -> list[Entry]:
        """Count the values of an event's context, and follow one more if it comes often."""
        entries: list[Entry] = []
        moment = example.query.moment
        if not (example.context or moment) or not _sighted(example):
            return entries
        for key, field, slot in self.state.contexts.wanted(example.context, moment):
            self._count()  # those that wait mean the slot's present value
            for entry in self.state.contexts.give(key, field, slot):
                self.state.apply(entry)
                entries.append(entry)
            self.state.encoder.clear_context(slot)
            asked = self.examples.asked
            asked[asked == slot] = UNKNOWN  # that was the value before
        return entries

    def _admit_described(self) -> list[Entry]:
        self._awaits_time = False
        newcomers, items = self._newcomers, self.state.items
        return [
            self._admit(items.next_row(), update.item_id)
            for update in items.catalogue.values()
            if newcomers.wants_row(update, room=self.size)
        ]

    def _admit(self, row: int, item_id: str) -> Admit:
        if row < self.state.items.size:
            self._count()  # to the lists that wait it is a row of nobody
        entry = Admit((row,), (item_id,))
        self.state.apply(entry)
        self._welcome(row)
        if item_id in self.state.items.catalogue:
            self._count()  # whom it follows depends on who has had an event
            self._newcomers.describe(row)
        return entry

    def _welcome(self, row: int) -> None:
        items = self.state.items
        items.first_seen_ms.array[row] = self._now_ms
        items.first_seen_ms.mark(row)
        encoder = self.state.encoder
        generator = np.random.default_rng([self.state.config.seed, row, self._now_ms])
        encoder.welcome(row, generator)

    def _move_landmarks(self) -> list[Entry]:
        if self._now_ms < self._move_at_ms:
            return []
        self._count()
        entries: list[Entry] = []
        parts: tuple[Landmarks, ...] = (
            self.state.popularity.landmarks,
            self.state.rules.landmarks,
            self.state.contexts.landmarks,
        )
        for landmarks in parts:
            if landmarks.due(self._now_ms):
                entries += landmarks.move(self._now_ms)
        if entries:
            self.state.popularity.touch_all()
        self._move_at_ms = min(landmarks.due_at_ms() for landmarks in parts)
        return entries


def _sighted(example: Example) -> bool:
    """Return whether this event is of the sample, which a stream's own rhythm must not meet."""
    return crc32(f"{example.query.unit_key}{example.offset}".encode()) % SIGHTED_EVERY == 0
