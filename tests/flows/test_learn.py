"""Learning in source order, and when what was learnt is published."""

from __future__ import annotations

import subprocess
import sys
from itertools import accumulate, count, cycle

import pytest

from flows.batches import Lesson
from flows.learn import Learn, learner_of
from flows.tally import Tally
from schemas.examples import Example
from schemas.model_log import Publish, is_base
from schemas.positions import mark_of
from serving.store import MemoryStore
from tests.builders import SMALL, learner, random_stream
from tests.online_models.shown import label

STREAM = random_stream(200, items=20)


class Desk:
    """A learn step with a clock of its own."""

    def __init__(self, *, interval_ms: int | None = 250, wait_ms: int | None = 50) -> None:
        self.now_ms, self.seq, self.tally = 1_000_000, 0, Tally()
        self.learner = learner(publish_interval_ms=interval_ms)
        self.clock_s = count(0.0, 1e-3).__next__
        self.step = Learn(
            self.learner,
            tally=self.tally,
            now_ms=lambda: self.now_ms,
            micro_batch_wait_ms=wait_ms,
            clock=lambda: self.clock_s(),
        )

    def teach(
        self, examples: list[Example], until: int | None = None, *, age_ms: int | None = None
    ) -> list[Publish]:
        end = examples[-1].offset + 1 if until is None else until
        newest_ms = None if age_ms is None else self.now_ms - age_ms
        lesson = Lesson("t", 0, self.seq, 1, end, examples, [], newest_ms=newest_ms)
        self.seq += 1
        publishes, discarded = self.step.on_batch([[lesson]])
        assert not discarded
        return publishes

    def at_due_time(self) -> list[Publish]:
        due = self.step.notify_at()
        assert due is not None
        self.now_ms = round(due.timestamp() * 1_000)
        return self.step.on_notify()[0]


def published(publishes: list[Publish]) -> list[int]:
    return [mark_of(p.progress.marks, "t", 0) for p in publishes if not is_base(p)]


def test_a_micro_batch_that_is_not_full_is_trained_on_after_a_wait() -> None:
    desk = Desk()
    assert desk.teach(STREAM[:5]) == []
    due = desk.step.notify_at()
    assert due is not None
    assert round(due.timestamp() * 1_000) == desk.now_ms + 50
    assert desk.step.on_notify()[0] == []
    assert desk.learner.pending == 5
    assert published(desk.at_due_time()) == [5]
    assert desk.learner.state.progress.trained == 5
    assert desk.step.notify_at() is None


def test_the_wait_is_that_of_the_oldest_example_of_the_micro_batch() -> None:
    desk = Desk()
    desk.teach(STREAM[:5])
    desk.now_ms += 30
    desk.teach(STREAM[5:8])
    due = desk.step.notify_at()
    assert due is not None
    assert round(due.timestamp() * 1_000) == desk.now_ms + 20
    desk.teach(STREAM[8:20])
    due = desk.step.notify_at()
    assert due is not None
    assert round(due.timestamp() * 1_000) == desk.now_ms + 50


def test_what_was_learnt_is_published_within_the_interval_though_nothing_follows() -> None:
    desk = Desk()
    desk.teach(STREAM[:16])
    desk.now_ms += 10
    assert desk.teach(STREAM[16:20]) == []
    assert desk.at_due_time() == []
    assert desk.learner.pending == 0
    first_ms = desk.now_ms
    assert published(desk.at_due_time()) == [20]
    assert desk.now_ms == first_ms - 60 + 250
    assert desk.step.notify_at() is None


def test_events_that_teach_nothing_move_the_published_mark_too() -> None:
    desk = Desk()
    lesson = Lesson("t", 0, 0, 1, 40, [], [])
    publishes, _ = desk.step.on_batch([[lesson]])
    assert published(publishes) == [40]


def test_labels_alone_are_trained_on_after_the_wait_too_and_counted() -> None:
    desk = Desk()
    labels = [label(1), label(1), label(3, items=1, place=0)]
    assert desk.step.on_batch([[Lesson("t", 0, 0, 1, 40, [], [], labels)]])[0] == []
    assert desk.learner.pending == 2
    assert published(desk.at_due_time()) == [40]
    assert desk.learner.state.progress.feedback == 3
    assert desk.tally.labels == {"learnt": 2, "alone": 1}
    assert desk.learner.labels == {}


def test_nothing_is_due_for_what_the_model_contained_already() -> None:
    desk = Desk()
    assert published(desk.teach(STREAM[:16])) == [16]
    desk.now_ms += 1_000
    assert desk.teach(STREAM[:16]) == []
    assert desk.step.notify_at() is None
    assert desk.learner.state.progress.trained == 16


def test_a_base_follows_the_publish_of_its_version() -> None:
    first, second = Desk().teach(STREAM[:16])
    assert (is_base(first), is_base(second)) == (False, True)
    assert first.progress == second.progress


def test_the_end_of_the_source_publishes_everything() -> None:
    desk = Desk(interval_ms=None, wait_ms=None)
    assert desk.teach(STREAM[:20]) == []
    assert desk.step.notify_at() is None
    publishes, _ = desk.step.on_eof()
    assert published(publishes) == [20]
    assert desk.step.on_eof()[0] == []


@pytest.mark.parametrize("wait_ms", [None, 50])
def test_source_batches_do_not_cut_micro_batches(wait_ms: int | None) -> None:
    desk = Desk(interval_ms=0, wait_ms=wait_ms)
    marks = [mark for n in range(0, 200, 7) for mark in published(desk.teach(STREAM[n : n + 7]))]
    assert marks == list(range(16, 200, 16))


def test_the_engine_has_nothing_to_remember() -> None:
    desk = Desk()
    desk.step.snapshot()
    assert desk.tally.examples == 0


def test_examples_and_items_are_counted() -> None:
    desk = Desk()
    desk.teach(STREAM[:50])
    assert desk.tally.examples == 50
    assert desk.tally.model_items == len(desk.learner.state.items)


def test_a_learner_goes_on_where_the_log_ends() -> None:
    store = MemoryStore()
    first = learner_of(store, config=SMALL, publish_interval_ms=0)
    publishes = first.learn_many(STREAM[:128], topic="t", until=128, now_ms=1)
    for publish in sorted(publishes, key=lambda one: (one.progress.version, is_base(one))):
        if is_base(publish):
            store.put_base(publish)
        else:
            store.append(publish)
    second = learner_of(store, publish_interval_ms=0)
    assert second.state.progress == first.state.progress
    assert second.state.progress.trained == 128
    assert second.state.config == SMALL


@pytest.mark.slow
def test_the_first_events_find_all_kernels_loaded() -> None:
    arguments = [sys.executable, "-m", "tests.flows.first_events"]
    ran = subprocess.run(arguments, capture_output=True, text=True, check=True)
    at_start, *later = ran.stdout.split("\n")
    assert int(at_start.split()[0]) > 10
    assert "".join(later) == ""


def hurried(desk: Desk, ages_ms: list[int | None]) -> list[bool]:
    """Return whether the learner was in a hurry at each lesson."""
    found = []
    for n, age_ms in enumerate(ages_ms):
        desk.teach(STREAM[n : n + 1], age_ms=age_ms)
        found.append(desk.learner.hurried)
    return found


def idle_between(desk: Desk, work_s: float, idle_s: float) -> None:
    """Let lessons take so long, and so much time pass between them."""
    desk.clock_s = accumulate(cycle([idle_s, work_s])).__next__


def test_a_learner_whose_events_are_seconds_old_is_in_a_hurry_until_they_are_fresh() -> None:
    desk = Desk()
    idle_between(desk, 0.001, 0.1)
    ages_ms = [0, 4_000, 6_000, 2_000, 500, 2_000, None]
    assert hurried(desk, ages_ms) == [False, False, True, True, False, False, False]


@pytest.mark.parametrize(("idle_s", "hurries"), [(0.01, True), (0.2, False)])
def test_a_learner_that_takes_most_of_the_time_is_in_a_hurry(idle_s: float, hurries: bool) -> None:
    desk = Desk()
    idle_between(desk, 0.05, idle_s)
    assert hurried(desk, [0] * 20)[10:] == [hurries] * 10


def test_a_learner_that_had_most_of_the_time_has_none_to_make_up_for() -> None:
    desk = Desk()
    idle_between(desk, 0.05, 0.01)
    assert hurried(desk, [0] * 20)[-1]
    desk.clock_s = accumulate(cycle([0.001, 0.1]), initial=2.0).__next__
    assert not hurried(desk, [0] * 20)[-1]


def test_lists_that_were_left_out_are_counted_once() -> None:
    desk = Desk()
    for n in range(0, 200, 20):
        desk.teach(STREAM[n : n + 20], age_ms=60_000)
    assert desk.tally.lists_skipped == desk.learner.lists_skipped > 0


def test_a_learner_that_is_to_learn_the_same_for_any_timing_never_hurries() -> None:
    desk = Desk(wait_ms=None)
    desk.teach(STREAM[:20], age_ms=60_000)
    assert not desk.learner.hurried
