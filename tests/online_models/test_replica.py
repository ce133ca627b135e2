"""A replica that reads the log is the learner's equal, to the bit, whatever the stream does."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from online_models.learner import Learner
from online_models.recommender import Recommender
from online_models.state import ModelState
from schemas.errors import ModelLogBroken
from schemas.events import ItemUpdate
from schemas.examples import Example, Query
from schemas.model_log import Admit, Evict, Graph, Publish, Put, Scale, Sightings, is_base
from tests.builders import (
    DAY_MS,
    START_MS,
    Stream,
    differences,
    learn,
    learner,
    logged,
    over_the_wire,
    random_stream,
    reload,
    small,
    update,
)

LINES = [f"i{n}" for n in range(900)]


@dataclass(frozen=True)
class Play:
    """One random stream: how it runs is drawn, what is in it comes from the seed."""

    seed: int
    bursts: list[tuple[int, int, int]]
    """events, width of the catalogue's part in fashion, milliseconds that pass before."""
    admit_after: int
    micro_batch: int


plays = st.builds(
    Play,
    seed=st.integers(0, 2**32 - 1),
    bursts=st.lists(
        st.tuples(
            st.integers(1, 90),
            st.sampled_from([600, 40, 3]),  # simplest first: new items all the time
            st.sampled_from([0, 3_600_000, DAY_MS, 90 * DAY_MS, 4_000 * DAY_MS]),
        ),
        min_size=1,
        max_size=5,
    ),
    admit_after=st.sampled_from([1, 1, 2]),
    micro_batch=st.sampled_from([1, 16, 100]),
)


def run(play: Play, learning: Learner) -> list[Publish]:
    """Feed a play from two sources, in uneven chunks, and return all publishes."""
    rng = np.random.default_rng(play.seed)
    stream, offsets, published = Stream(), [0, 0], []
    now_ms = START_MS
    for burst, (events, width, gap_ms) in enumerate(play.bursts):
        now_ms += gap_ms
        partition = burst % 2
        first, updates, examples = burst * 131 % (len(LINES) - width), [], []
        for _ in range(events):
            now_ms += int(rng.integers(0, 120_000))
            item = LINES[first + int(rng.integers(width))]
            late_ms = int(rng.choice([0, 0, 0, 5_000, DAY_MS, 300 * DAY_MS]))
            ahead_ms = int(rng.random() < 0.02) * 40 * DAY_MS
            time_ms = max(0, now_ms - late_ms + ahead_ms)
            weight = float(rng.choice([0.0, 0.3, 1.0, 5.0]))
            offset = offsets[partition]
            unit = f"u{rng.integers(12)}"
            context = {"place": int(rng.integers(2)), "burst": burst % 3, "id": offset}
            earlier = [LINES[first + k] for k in range(offset % 3)]
            asked = {"offset": offset, "context": context, "earlier": earlier}
            examples.append(stream.add(unit, item, time_ms, weight=weight, **asked))
            offsets[partition] += 1
            if rng.random() < 0.2:
                updates.append((offsets[partition], any_update(rng, LINES[first])))
                offsets[partition] += 1
        published += learning.learn_many(
            examples, partition=partition, until=offsets[partition], updates=updates
        )
        if rng.random() < 0.7:
            published += learning.close_micro_batch()
            published += learning.collect()
    published += learning.close_micro_batch()
    return [*published, *learning.collect()]


def any_update(rng: np.random.Generator, item_id: str) -> ItemUpdate:
    kinds = [update(item_id), update(item_id, in_stock=False), update(item_id, deleted=True)]
    categories = (f"c{rng.integers(3)}", f"d{rng.integers(9)}")[: int(rng.integers(3))]
    return msgspec.structs.replace(kinds[int(rng.integers(3))], categories=categories)


def start(play: Play, **changes: object) -> Learner:
    config = small(admit_after=play.admit_after, exact_up_to=50, **changes)
    learning = learner(
        config, micro_batch=play.micro_batch, base_growth=0.0, lists_every=3, all_lists_until=250
    )
    learning._upkeep.every = 3  # graphs come often
    filling = Stream()
    for n in range(230 * play.admit_after):  # nearly full: new items make old ones leave
        filling.add(f"f{n}", LINES[n % 230], START_MS - DAY_MS + n)
    learning.learn_many(filling.examples, topic="filling")
    return learning


def slates(state: ModelState) -> list[object]:
    """Return what a state answers to a few queries of all sorts."""
    recommender, answers = Recommender(state), []
    for n in range(0, len(LINES), 97):
        history = tuple(LINES[n : n + 6])
        context = {"place": str(n % 2), "burst": n % 3}
        earlier = tuple(LINES[n + 6 : n + 9])
        query = Query("u", "u", history, history[:2], context=context, earlier=earlier)
        answers.append(recommender.recommend(query, 10))
        answers.append(recommender.score(query, LINES[n + 3 : n + 9]))
        answers.append(recommender.similar(LINES[n], 5))
    return [*answers, recommender.recommend(Query("u", "u"), 10)]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plays)
def test_replica_equals_the_learner_after_any_stream(play: Play) -> None:
    learning = start(play)
    publishes = [over_the_wire(publish) for publish in run(play, learning)]
    wanted = slates(learning.state)
    for serve_only in (False, True):
        replica = ModelState(serve_only=serve_only)
        for publish in publishes:
            if not is_base(publish) or replica.progress.version == 0:
                follow(replica, publish)
        assert differences(learning.state, replica) == []
        assert slates(replica) == wanted


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plays)
def test_replica_started_from_any_base_equals_the_learner(play: Play) -> None:
    learning = start(play)
    publishes = [over_the_wire(publish) for publish in run(play, learning)]
    for at, base in enumerate(publishes):
        if is_base(base):
            replica = ModelState(serve_only=at % 4 == 0)
            replica.apply_publish(base)
            for publish in publishes[at:]:
                follow(replica, publish)
            assert differences(learning.state, replica) == []
    assert differences(learning.state, reload(learning.state)) == []


def follow(state: ModelState, publish: Publish) -> None:
    newer = publish.progress.version > state.progress.version
    if newer and (state.progress.version == 0 or not is_base(publish)):
        state.apply_publish(publish)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plays)
def test_slates_are_equal_at_every_publish(play: Play) -> None:
    """The learner is asked in the middle of its work; replicas only ever see what it published."""
    learning, replica = start(play), ModelState()
    checked = []

    def collect(now_ms: int = 0) -> list[Publish]:
        publishes = Learner.collect(learning, now_ms)
        for publish in publishes:
            follow(replica, over_the_wire(publish))
        assert slates(replica) == slates(learning.state)
        checked.append(replica.progress.version)
        return publishes

    learning.collect = collect  # type: ignore[method-assign]
    run(play, learning)
    assert checked == list(range(1, len(checked) + 1))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plays, plays)
def test_learner_that_was_reloaded_goes_on_as_one_that_never_stopped(a: Play, b: Play) -> None:
    learning = start(a)
    run(a, learning)
    other = Learner(
        reload(learning.state),
        micro_batch=a.micro_batch,
        publish_interval_ms=None,
        base_growth=0.0,
        lists_every=3,
        all_lists_until=250,
    )
    other._upkeep.every = 3
    assert logged(shifted(b, learning)) == logged(shifted(b, other))
    assert differences(learning.state, other.state) == []


def shifted(play: Play, learning: Learner) -> list[Publish]:
    """Feed a play from sources that were not read before."""
    learn_many = learning.learn_many

    def from_elsewhere(examples, *, partition, until, updates):  # type: ignore[no-untyped-def]
        return learn_many(examples, topic="t2", partition=partition, until=until, updates=updates)

    learning.learn_many = from_elsewhere  # type: ignore[method-assign]
    try:
        return run(play, learning)
    finally:
        learning.learn_many = learn_many  # type: ignore[method-assign]


def test_the_random_streams_meet_what_they_are_to_meet() -> None:
    play = Play(1, [(90, 600, 0), (90, 40, 90 * DAY_MS), (90, 600, 0)] * 3, 2, 16)
    learning = start(play)
    kinds = {type(entry) for publish in logged(run(play, learning)) for entry in publish.entries}
    assert {Admit, Evict, Graph, Put, Scale, Sightings} <= kinds
    assert learning.state.index.graph is not None


def test_item_that_returns_after_eviction_starts_afresh() -> None:
    learning = learner()
    learning.learn_many(random_stream(300, items=20))
    state = learning.state
    row = state.items.row_of("i3")
    assert state.encoder.output_energy.array[row] > 0
    learning._entries.append(Evict((row,)))
    state.apply(Evict((row,)))
    for table in state.tables.values():
        if table.by_row:
            assert (table.array[row] == table.fill).all(), table.name
            assert not table.dirty[row].any(), table.name
    assert not (state.encoder.recent.array == row).any()
    assert not (state.rules.ids.array == row).any()


def test_rows_without_an_item_are_never_trained() -> None:
    learning = learn(random_stream(600, items=60))
    free = tuple(learning.state.items.rows().tolist()[:30])
    learning.state.apply(Evict(free))
    learning.learn_many([_moved(e, 10_000) for e in random_stream(160, items=4)])
    still_free = list(learning.state.items.free)
    assert len(still_free) > 10
    assert not learning.state.encoder.output.array[still_free].any()
    assert not learning.state.encoder.output_energy.array[still_free].any()


def _moved(example: Example, by: int) -> Example:
    return msgspec.structs.replace(example, offset=example.offset + by)


def test_a_replica_that_only_serves_holds_nothing_of_the_learner() -> None:
    learning = learn(random_stream(400, items=60), small(admit_after=2))
    replica = reload(learning.state, serve_only=True)
    assert not [name for name, table in replica.tables.items() if table.learner_only]
    assert len(replica.encoder.output_energy.array) == 0
    assert len(replica.items.last_seen_ms.array) == 0
    assert replica.items.collect_waiting() == []
    assert slates(replica) == slates(learning.state)


def test_a_hole_in_the_log_is_told() -> None:
    learning, replica = learner(), ModelState()
    examples = random_stream(48, items=20)
    publishes = []
    for n in range(0, 48, 16):
        learning.learn_many(examples[n : n + 16])
        publishes += learning.collect()
    replica.apply_publish(publishes[0])
    with pytest.raises(ModelLogBroken, match=r"version 3 does not follow version 1: .* base"):
        replica.apply_publish(publishes[-1])


def test_a_log_without_its_base_is_told() -> None:
    learning = learn(random_stream(16, items=20))
    learning.collect()
    (publish,) = logged(learning.collect())
    with pytest.raises(ModelLogBroken, match="version 2 does not follow version 0"):
        ModelState().apply_publish(publish)


def test_a_base_is_no_way_to_catch_up() -> None:
    learning = learn(random_stream(16, items=20))
    learning.collect()
    replica = reload(learning.state)
    learning.collect()
    with pytest.raises(ModelLogBroken, match="this one has version 1: apply the base to a new"):
        replica.apply_publish(learning.state.snapshot())


def test_a_base_of_other_shapes_makes_an_empty_replica_take_them_over() -> None:
    learning = learn(random_stream(30, items=20), small(dimensions=5))
    learning.collect()
    replica = ModelState(small(dimensions=9))
    replica.apply_publish(learning.state.snapshot())
    assert replica.config.dimensions == 5
    assert differences(learning.state, replica) == []


def test_shapes_do_not_change_in_a_models_life() -> None:
    state = learn(random_stream(30, items=20)).state
    other = ModelState(small(dimensions=5)).snapshot()
    with pytest.raises(ModelLogBroken, match=r"changes the model's shapes: .*dimensions=5"):
        state.apply(other.entries[0])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (Put("nothing", b"", b""), "the log names the table 'nothing', unknown here"),
        (Scale("nothing", 0, 61), "the log scales the table 'nothing', unknown here"),
        (
            Put("encoder.positions", np.array([0]).tobytes(), b"\0" * 12),
            "an entry does not fit: cannot reshape",
        ),
        (
            Put("encoder.positions", np.array([99]).tobytes(), b"\0" * 4),
            "an entry does not fit: table encoder.positions has 3 cells, entry names more",
        ),
    ],
)
def test_an_entry_that_does_not_fit_is_told(entry: Put | Scale, message: str) -> None:
    with pytest.raises(ModelLogBroken, match=message):
        ModelState(small()).apply(entry)
