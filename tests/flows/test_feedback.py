"""Slates and what users do with them reach the learner as labels, each exactly once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.batches import Happening, Piece, Settled
from flows.sessionise import Sessionise
from flows.shard_slates import LOOK_EVERY
from flows.sources.log import LogSource
from flows.tally import Tally
from online_models.learner import Learner
from schemas.events import Forget, Impression, Interaction
from schemas.examples import Feedback
from schemas.model_log import Progress, Publish
from schemas.positions import Marks, advance, mark_of
from schemas.slates import Slates
from serving.store import MemoryStore, RedisStore
from tests.flows.shown import slate, with_slates
from tests.flows.streams import RULES, START_MS, interaction, payload, run, troubled
from tests.online_models.shown import (
    MINUTE_MS,
    impression,
    interleaved,
    label_of,
    streams,
    wanted,
)
from tests.online_models.shown import (
    interaction as done,
)

Shown = Impression | Interaction


def logged(*events: tuple[str, dict[str, Any]]) -> MemoryStore:
    store = MemoryStore(now_ms=lambda: START_MS)
    store.append_events([(event_type, payload(fields)) for event_type, fields in events])
    return store


def run_log(store: MemoryStore, **options: Any) -> tuple[Learner, Tally]:
    return run(LogSource(store, follow=False), store, **options)


def click(n: int, item: str, request_id: str | None = None, **changes: Any) -> dict[str, Any]:
    return interaction(n, user_id="ann", item_id=item, request_id=request_id, **changes)


# ---- through the whole flow ------------------------------------------------------------------


@pytest.mark.parametrize("slate_first", [True, False])
def test_a_click_on_a_slate_teaches_the_ranker_whichever_comes_first(slate_first: bool) -> None:
    events = [
        ("impression", slate("r", "ann", START_MS, ["a", "b", "c"])),
        ("interaction", click(1, "b", "r")),
    ]
    learner, tally = run_log(logged(*(events if slate_first else events[::-1])))
    assert learner.state.progress.feedback == 1
    assert tally.labels == {"learnt": 1}
    assert tally.feedback == {"joined_by_request": 1}
    assert int(learner.state.ranker.steps.array[0]) == 1


def test_what_became_of_slates_and_labels_is_counted() -> None:
    late = START_MS + 2_000_000
    store = logged(
        ("impression", slate("r", "ann", START_MS, ["a"])),
        ("impression", slate("r", "ann", START_MS, ["a"])),
        ("impression", slate("none", "ann", START_MS, ["a", "b"], width=0)),
        ("interaction", click(1, "b")),
        ("interaction", click(2, "a", "r")),
        ("interaction", click(3, "z", "r")),
        ("interaction", click(4, "z", "never")),
        ("interaction", click(5, "z", time_ms=late)),
        ("impression", slate("old", "ann", START_MS, ["a", "b"])),
    )
    learner, tally = run_log(store)
    assert tally.feedback == {
        "joined_by_item": 1,
        "joined_by_request": 1,
        "duplicate": 1,
        "foreign": 1,
        "orphaned": 1,
        "closed_answered": 2,
        "late": 1,
    }
    assert tally.labels == {"unfit": 1, "alone": 1}
    assert learner.state.progress.feedback == 2
    assert tally.verdicts["impression", "accepted"] == 4


def test_a_repeated_or_late_click_answers_nothing() -> None:
    store = logged(
        ("impression", slate("r", "ann", START_MS, ["a", "b"])),
        ("interaction", click(1, "b", "r")),
        ("interaction", click(1, "b", "r")),
        ("interaction", click(2, "b", "r", time_ms=START_MS - 4_000_000)),
    )
    learner, tally = run_log(store)
    assert (tally.duplicates, tally.late, tally.feedback) == (1, 1, {"joined_by_request": 1})
    assert learner.state.progress.feedback == 1


def test_impressions_alone_make_no_user_known() -> None:
    store = logged(("impression", slate("r", "ann", START_MS, ["a", "b"])))
    run_log(store)
    assert store.read_users(["ann"]) == {}
    assert [one.request_id for one in store.read_slates(["ann"])["ann"].open] == ["r"]


def test_a_user_who_is_forgotten_has_no_slates() -> None:
    shown = ("impression", slate("r", "ann", START_MS, ["a", "b"]))
    store = logged(shown, ("forget", {"user_id": "ann", "time_ms": START_MS}))
    run_log(store)
    assert store.read_slates(["ann"]) == {}
    store.append_events([("interaction", payload(click(1, "b", "r")))])
    _, tally = run_log(store)
    assert tally.feedback == {}
    assert [one.request_id for one in store.read_slates(["ann"])["ann"].waiting] == ["r"]


def outcome(learner: Learner, store: MemoryStore) -> tuple[Any, ...]:
    progress = learner.state.progress
    return (
        progress.feedback,
        progress.trained,
        progress.marks,
        int(learner.state.ranker.steps.array[0]),
        store.read_users([f"u{n}" for n in range(30)]),
    )


def test_what_is_learnt_of_slates_does_not_depend_on_source_batches() -> None:
    outcomes, tallies = [], []
    for batch_size in (1, 7, 1_000):
        store = MemoryStore(now_ms=lambda: START_MS)
        store.append_events(with_slates(troubled(200)))
        learner, tally = run(LogSource(store, follow=False, batch_size=batch_size), store)
        outcomes.append(outcome(learner, store))
        tallies.append((tally.feedback, tally.labels))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert tallies[0] == tallies[1] == tallies[2]
    assert set(tallies[0][0]) >= {"joined_by_request", "joined_by_item", "late", "orphaned"}
    assert min(tallies[0][1].values()) > 1


@pytest.mark.redis
def test_slates_in_redis_give_the_same_labels_across_restarts(redis_url: str) -> None:
    events = with_slates(troubled(120, users=6, seed=2), seed=3)
    whole = MemoryStore(now_ms=lambda: START_MS)
    whole.append_events(events)
    learner, tally = run_log(whole)
    store, outcomes, labels = RedisStore(redis_url, name="default"), Counter[str](), Counter[str]()
    for begin in range(0, len(events), 60):
        store.append_events(events[begin : begin + 60])
        again, part = run(LogSource(store, follow=False), store, publish_interval_ms=0)
        outcomes, labels = outcomes + part.feedback, labels + part.labels
    store.close()
    assert again.state.progress.feedback == learner.state.progress.feedback > 10
    assert (outcomes, labels) == (tally.feedback, tally.labels)


class Crash(Exception):
    """Stands for kill -9."""


class DyingStore(MemoryStore):
    """Dies in its n-th write, before or after the write takes effect."""

    def __init__(self, events: list[tuple[str, bytes]]) -> None:
        super().__init__(now_ms=lambda: START_MS)
        self.append_events(events)
        self.dies_in, self.dies_after_effect = 10**9, False

    def _dying(self, write: Any) -> None:
        self.dies_in -= 1
        if self.dies_in == 0 and not self.dies_after_effect:
            raise Crash
        write()
        if self.dies_in == 0:
            raise Crash

    def write_shards(self, writes: Any) -> None:
        self._dying(lambda: super(DyingStore, self).write_shards(writes))

    def append(self, publish: Any, **held: Any) -> None:
        self._dying(lambda: super(DyingStore, self).append(publish, **held))


@pytest.mark.parametrize("after_effect", [False, True])
def test_a_crash_in_any_write_trains_on_every_label_once(after_effect: bool) -> None:
    events = with_slates(troubled(200, users=6, seed=5), seed=1)
    whole = DyingStore(events)
    wanted = outcome(run_log(whole)[0], whole)
    assert wanted[0] > 30
    for dies_in in (2, 5, 9):
        store = DyingStore(events)
        for further in (dies_in, dies_in + 1):
            store.dies_in, store.dies_after_effect = further, after_effect
            with pytest.raises(BaseException) as crash:  # noqa: PT011
                run(LogSource(store, follow=False, batch_size=11), store, publish_interval_ms=0)
            cause: BaseException | None = crash.value
            while cause is not None and not isinstance(cause, Crash):
                cause = cause.__cause__
            assert cause is not None
        store.dies_in = 10**9
        learner, _ = run_log(store, publish_interval_ms=0)
        assert outcome(learner, store) == wanted


# ---- two topics, crashes, and what the learner gets ------------------------------------------


class Trained:
    """A learner that only notes what it was taught, and forgets with its process."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.published: tuple[Marks, list[Feedback]] = ({}, [])
        self.restart()

    def restart(self) -> None:
        marks, labels = self.published
        self.marks = {topic: dict(parts) for topic, parts in marks.items()}
        self.labels = list(labels)

    def learn(self, settled: Settled) -> None:
        lesson = settled.lesson
        below = mark_of(self.marks, lesson.topic, lesson.partition)
        self.labels += [label for label in lesson.feedback if label.offset >= below]
        advance(self.marks, lesson.topic, lesson.partition, lesson.end)

    def publish(self) -> None:
        self.published = (
            {topic: dict(parts) for topic, parts in self.marks.items()},
            list(self.labels),
        )
        version = self.store.version() + 1
        self.store.append(Publish(Progress(version=version, marks=self.published[0]), ()))


def topic_of(event: Shown) -> str:
    return "shown" if isinstance(event, Impression) else "done"


def pieces_of(
    dice: random.Random, shown: Sequence[Shown], finished: Sequence[Shown], low: Marks
) -> list[Piece]:
    """Return both topics from their low marks on, interleaved and in pieces."""
    topics = {"shown": shown, "done": finished}
    begin = {topic: mark_of(low, topic, 0) for topic in topics}
    rests = [topics[topic][begin[topic] :] for topic in topics]
    pieces: list[Piece] = []
    for event in interleaved(dice, rests[0], rests[1], ahead_ms=10 * MINUTE_MS):
        topic = topic_of(event)
        happening = (begin[topic], event, b"")
        if pieces and pieces[-1].topic == topic and dice.random() < 0.8:
            pieces[-1] = _piece(topic, [*pieces[-1].happenings, happening])
        else:
            pieces.append(_piece(topic, [happening]))
        begin[topic] += 1
    return pieces


def _piece(topic: str, happenings: list[Happening]) -> Piece:
    return Piece("s00", topic, 0, 0, 1, happenings[-1][0] + 1, happenings)


def settled_by(sessionise: Sessionise, piece: Piece) -> Settled:
    [settled], _ = sessionise.on_batch([piece])
    return settled


def process(
    dice: random.Random,
    store: MemoryStore,
    trained: Trained,
    pieces: list[Piece],
    *,
    crashes: float,
) -> bool:
    """Run until the end, or until a crash somewhere; return whether it was the end."""
    sessionise = Sessionise(store, RULES, tally=Tally(), cached_users=dice.choice((64, 64 * 99)))
    for piece in pieces:
        settled = settled_by(sessionise, piece)
        if dice.random() < crashes:
            return False
        if settled.write is not None:
            store.write_shards([settled.write])
        settled.receipt.stored = True
        if dice.random() < crashes:
            return False
        trained.learn(settled)
        if dice.random() < 0.3:
            trained.publish()
    return True


@settings(deadline=None)
@given(streams(), st.randoms(use_true_random=False))
def test_every_label_is_trained_on_once_for_any_interleaving_and_any_crashes(
    stream: tuple[list[Impression], list[Interaction]], dice: random.Random
) -> None:
    shown, finished = stream
    store = MemoryStore()
    trained = Trained(store)
    for crashes in (0.1, 0.1, 0.1, 0.1, 0):
        trained.restart()
        pieces = pieces_of(dice, shown, finished, store.low_marks())
        if process(dice, store, trained, pieces, crashes=crashes):
            break
    assert Counter(map(label_of, trained.labels)) == Counter(wanted(shown, finished))


# ---- what it costs ---------------------------------------------------------------------------


class CountingStore(MemoryStore):
    """Counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.slates_read: list[list[str]] = []
        self.looks = 0

    def read_slates(self, user_ids: Sequence[str]) -> dict[str, Slates]:
        self.slates_read.append(list(user_ids))
        return super().read_slates(user_ids)

    def low_marks(self) -> Marks:
        self.looks += 1
        return super().low_marks()


def step(store: MemoryStore, *events: Shown | Forget, sessionise: Sessionise | None = None) -> Any:
    sessionise = sessionise or Sessionise(store, RULES, tally=Tally())
    piece = _piece("t", [(n, event, b"") for n, event in enumerate(events)])
    settled = settled_by(sessionise, piece)
    if settled.write is not None:
        store.write_shards([settled.write])
    settled.receipt.stored = True
    return settled


def test_a_shard_in_which_nobody_was_shown_anything_reads_no_slates() -> None:
    store = CountingStore()
    step(store, done("a", 1), done("b", 2), Forget(user_id="ann"))
    assert len(store.slates_read) == 1  # whether there are any


def test_slates_are_read_after_a_restart_where_somebody_has_some() -> None:
    store = CountingStore()
    step(store, impression("r", "ab", 0))
    store.slates_read.clear()
    piece = Piece("s00", "t", 0, 0, 1, 9, [(5, done("b", 1), b"")])
    settled = settled_by(Sessionise(store, RULES, tally=Tally()), piece)
    assert [label_of(one)[1] for one in settled.lesson.feedback] == ["b"]
    assert len(store.slates_read) == 2


def test_slates_of_a_user_without_any_left_are_deleted() -> None:
    store = CountingStore()
    settled = step(store, impression("r", "ab", 0), done("z", 1), done("z", 90))
    assert settled.write.slates == {"ann": None}
    assert store.read_slates(["ann"]) == {}


def test_labels_are_kept_until_they_are_published_and_a_while_longer() -> None:
    store = CountingStore()
    sessionise = Sessionise(store, RULES, tally=Tally())
    step(store, impression("r", "ab", 0), sessionise=sessionise)
    store.append(Publish(Progress(version=1, marks={"t": {0: 10**6}}), ()))
    kept = []
    for n in range(3 * LOOK_EVERY):
        piece = Piece("s00", "t", 0, 0, 1, n + 2, [(n + 1, done("b", 1, "r", n=n), b"")])
        settled = settled_by(sessionise, piece)
        assert settled.write is not None
        kept.append(len(settled.write.slates["ann"].given))  # type: ignore[union-attr]
    assert kept[: 2 * LOOK_EVERY] == list(range(1, 2 * LOOK_EVERY + 1))
    assert set(kept[2 * LOOK_EVERY :]) == {0}
    assert store.looks == 3
