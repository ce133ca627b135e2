"""Step 5: the model learns, in the order of the source."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

from bytewax.operators import StatefulBatchLogic

from flows.batches import Lesson
from flows.held import Held
from flows.in_order import InOrder
from flows.pace import Pace
from flows.patience import patiently
from flows.tally import Tally
from online_models.learner import Learner
from online_models.recommender import Recommender
from online_models.state import ModelState
from online_models.threads import compute_on_one_thread
from schemas.errors import SettingsError
from schemas.events import Scalar
from schemas.examples import Example, Query
from schemas.model_config import ModelConfig
from schemas.model_log import Publish, is_base
from schemas.positions import Marks, advance, mark_of
from serving.replica import Replica
from serving.store import Store

_WARM_UP_EVENTS = 96
"""More than a value of the context takes to be followed, one event in four being looked at."""


def learner_of(
    store: Store, *, config: ModelConfig | None = None, publish_interval_ms: int = 250
) -> Learner:
    """Return a learner that goes on where the model's log in the store ends.

    Raises
    ------
    ModelLogBroken
        The log lacks entries that no base makes up for.
    SettingsError
        The model has read its stream in another way.
    StoreError
        As the store does; one that does not answer is waited for.
    """
    # Micro-batches are too small for threads to pay, and beside a scorer they wait for each other.
    compute_on_one_thread()
    replica = Replica(store, config=config)
    while patiently(replica.refresh):
        pass
    if config is not None and replica.version:
        check_reading(config, replica.state.config)
    warm_up()
    return Learner(
        replica.state,
        Recommender(replica.state),
        publish_interval_ms=publish_interval_ms,
        background=True,
    )


def check_reading(config: ModelConfig, learnt: ModelConfig) -> None:
    """Refuse to go on with a model that read its stream in another way.

    Raises
    ------
    SettingsError
        Unit or repeats differ from those that the model has learnt with.
    """
    if not learnt.reads_like(config):
        raise SettingsError(
            f"the model has learnt with stream.unit = {learnt.unit!r} and stream.repeats = "
            f"{learnt.repeats!r}, the settings say {config.unit!r} and {config.repeats!r}: say the "
            "same (--unit, --repeats), or choose another model name"
        )


@cache
def warm_up() -> None:
    """Learn a throwaway stream: what comes first loads or compiles kernels, which events need not.

    Steps of the encoder are among it and lists for the ranker: of known items, for histories and
    for other sessions alone, before a value of the context is followed and after. Where nothing was
    compiled before it takes longer than a lease lasts: it comes before that.
    """
    compute_on_one_thread()
    learner = Learner(ModelState(ModelConfig()), publish_interval_ms=None)
    context: dict[str, Scalar] = {"field": "value"}
    for n in range(_WARM_UP_EVENTS):
        history = ("one",) if n % 2 else ()
        query = Query("", "", history, context=context, earlier=("other",))
        item_id = "one" if n % 3 else "other"
        example = Example(
            query, item_id, "click", 1.0, n + 1, opens_unit=False, offset=n, context=context
        )
        learner.learn_many([example])
    learner.close_micro_batch()


_EPOCH = datetime.fromtimestamp(0, UTC)


class Learn(StatefulBatchLogic[list[Lesson], Publish, None]):
    """Calls the learner, and hands on what it publishes.

    Parameters
    ----------
    now_ms
        A clock, which times publishes and nothing else.
    micro_batch_wait_ms
        A micro-batch that is not full is closed after that wait. ``None`` closes by count alone,
        and at the end of the source, and is never in a hurry: what is learnt is then the same for
        any timing.
    held
        Told what the shards of the lessons hold.
    clock
        By which the learner's share of the time is measured, in seconds.
    """

    def __init__(
        self,
        learner: Learner,
        *,
        tally: Tally,
        now_ms: Callable[[], int],
        micro_batch_wait_ms: int | None,
        held: Held | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._learner, self._tally, self._now_ms = learner, tally, now_ms
        self._held = held or Held()
        self._wait_ms = micro_batch_wait_ms
        self._clock, self._pace = clock, Pace()
        self._in_order = InOrder()
        self._reached: Marks = {}
        self._pending, self._step = 0, learner.state.progress.step
        self._opened_ms = self._published_ms = 0
        self._skipped = learner.lists_skipped

    def on_batch(self, values: list[list[Lesson]]) -> tuple[list[Publish], bool]:
        now_ms = self._now_ms()
        publishes: list[Publish] = []
        lessons = [one for value in values for one in value]
        with self._tally.timed("learn"):
            for lesson in lessons:
                self._held.note(lesson)
            for lesson in self._in_order.take(lessons):
                begin_s = self._clock()
                publishes += self._learn(lesson, now_ms)
                self._pace.worked(begin_s=begin_s, end_s=self._clock())
        return self._out(publishes, now_ms), StatefulBatchLogic.RETAIN

    def _learn(self, lesson: Lesson, now_ms: int) -> list[Publish]:
        advance(self._reached, lesson.topic, lesson.partition, lesson.end)
        self._hurry(lesson, now_ms)
        publishes = self._learner.learn_many(
            lesson.examples,
            topic=lesson.topic,
            partition=lesson.partition,
            until=lesson.end,
            now_ms=now_ms,
            updates=lesson.updates,
            feedback=lesson.feedback,
        )
        self._tally.learnt(
            len(lesson.examples),
            items=len(self._learner.state.items),
            labels=self._learner.labels,
            lists_skipped=self._learner.lists_skipped - self._skipped,
        )
        self._skipped = self._learner.lists_skipped
        self._learner.labels.clear()
        return publishes

    def _hurry(self, lesson: Lesson, now_ms: int) -> None:
        if self._wait_ms is not None:
            age_ms = None if lesson.newest_ms is None else now_ms - lesson.newest_ms
            self._learner.hurry(self._pace.is_behind(age_ms=age_ms))

    def on_notify(self) -> tuple[list[Publish], bool]:
        # The engine may call this at times that were asked for long ago: look what is due.
        now_ms, due_ms = self._now_ms(), self._due_ms()
        if due_ms is None or now_ms < due_ms:
            return [], StatefulBatchLogic.RETAIN
        with self._tally.timed("learn"):
            publishes = self._learner.close_micro_batch(now_ms)
        return self._out(publishes, now_ms), StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[Publish], bool]:
        now_ms = self._now_ms()
        publishes = self._learner.close_micro_batch(now_ms)
        if self._unpublished:
            publishes += self._learner.collect(now_ms)
        return self._out(publishes, now_ms), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        due_ms = self._due_ms()
        return None if due_ms is None else _EPOCH + timedelta(milliseconds=due_ms)

    def snapshot(self) -> None:
        """Return nothing: the model is its log, and the source starts at its marks."""

    @property
    def _unpublished(self) -> bool:
        marks = self._learner.state.progress.marks
        return any(
            until > mark_of(marks, topic, partition)
            for topic, partitions in self._reached.items()
            for partition, until in partitions.items()
        )

    def _due_ms(self) -> int | None:
        """Return when to close a micro-batch or to publish, if nothing comes before."""
        if self._wait_ms is None or not self._unpublished:
            return None
        if self._learner.pending:
            return self._opened_ms + self._wait_ms
        interval_ms = self._learner.publish_interval_ms
        return None if interval_ms is None else self._published_ms + interval_ms

    def _out(self, publishes: list[Publish], now_ms: int) -> list[Publish]:
        pending, step = self._learner.pending, self._learner.state.progress.step
        if step != self._step or not self._pending:
            self._opened_ms = now_ms
        self._pending, self._step = pending, step
        if publishes:
            self._published_ms = now_ms
        # A base comes after the publish of its version: one that the log refuses is never kept.
        return sorted(publishes, key=lambda one: (one.progress.version, is_base(one)))
