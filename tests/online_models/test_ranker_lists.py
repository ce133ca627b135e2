from __future__ import annotations

import msgspec
import numpy as np
import pytest

from online_models.evaluation.ablation import Without
from online_models.feature_names import feature_names
from online_models.learner import Learner
from online_models.ranker_lists import RankerLists
from online_models.recommender import Recommender
from online_models.retrieval import SOURCES
from online_models.state import ModelState
from schemas.examples import Query
from tests.builders import START_MS, Stream, differences, learn, learner, small, update

WIDE = small(neighbours=40, learning_window=12, scoring_window=10, encoder_window=8)
BELOW = feature_names(WIDE).index("encoder_below_best")
"""A difference of two scores, which is rounded as they are."""
UNTRIED = feature_names(WIDE).index("untried")


def shown(learning: Learner, query: Query, target: int) -> tuple[np.ndarray, int] | None:
    """Return the list that ranking the query would give."""
    ranking = learning.recommender.rank(query)
    rows = ranking.candidates.rows
    place = int(np.searchsorted(rows, target))
    if place == len(rows) or rows[place] != target:
        return None
    return ranking.features, place


def assert_alike(made: tuple[np.ndarray, int], wanted: tuple[np.ndarray, int]) -> None:
    """Compare lists, as far as their numbers can be the same."""
    assert made[1] == wanted[1]
    exact = np.arange(wanted[0].shape[1]) != BELOW
    np.testing.assert_allclose(made[0][:, exact], wanted[0][:, exact], rtol=1e-5, atol=1e-6)
    below, of_scores = made[0][:, BELOW], np.abs(wanted[0][:, BELOW - 1]).max()
    rounding = 4 * np.finfo(np.float32).eps * of_scores  # of two scores, each way
    np.testing.assert_allclose(below, wanted[0][:, BELOW], rtol=1e-5, atol=1e-6 + rounding)


@pytest.mark.parametrize("without", SOURCES)
@pytest.mark.parametrize(("excludes", "exact_up_to"), [(False, 20_000), (True, 30)])
def test_a_list_without_a_source_is_what_ranking_without_it_shows(
    without: str, excludes: bool, exact_up_to: int
) -> None:
    config = msgspec.structs.replace(WIDE, exact_up_to=exact_up_to)
    recommender = Without(ModelState(config), without)
    found = lists_as_shown(recommender, excludes=excludes, described=True, without=without)
    assert 150 < found < 900


@pytest.mark.parametrize("described", [False, True])
@pytest.mark.parametrize(
    ("excludes", "exact_up_to"), [(True, 20_000), (False, 20_000), (True, 30), (False, 30)]
)
def test_a_list_is_what_ranking_shows_for_any_query(
    excludes: bool, exact_up_to: int, described: bool
) -> None:
    config = msgspec.structs.replace(WIDE, exact_up_to=exact_up_to)
    recommender = Recommender(ModelState(config))
    found = lists_as_shown(recommender, excludes=excludes, described=described)
    assert 200 < found < 900
    index = recommender.state.index
    assert index.is_exact == (exact_up_to > index.established())


def lists_as_shown(
    recommender: Recommender, *, excludes: bool, described: bool, without: str = ""
) -> int:
    """Learn a stream; assert that each list is what ranking shows, and return how many there are.

    The recommender's sources propose less than usual, so that their bounds count.
    """
    rng, stream = np.random.default_rng(3), Stream(excludes=excludes)
    for n in range(900):
        item = f"i{int(rng.zipf(1.3)) % 220}"
        context = {"place": n % 3, "id": n}
        earlier = [f"i{k % 50}" for k in range(n, n + n % 12)]
        unit = f"u{rng.integers(40)}"
        stream.add(unit, item, START_MS + n * 90_000, context=context, earlier=earlier)
    for name, most in (("by_popularity", 20), ("by_rules", 30), ("by_encoder", 25)):
        setattr(recommender.retriever, name, most)
    lists, found, untried = RankerLists(recommender.retriever, without=without), 0, 0
    learning = Learner(
        *(recommender.state, recommender),
        lists=lists,
        micro_batch=16,
        publish_interval_ms=None,
        lists_every=2,
    )
    for n, example in enumerate(stream.examples):
        target = learning.state.items.row_of(example.item_id)
        word = update(f"i{n % 9}", in_stock=n % 5 > 0)
        if described:
            words_of = (f"c{n % 4}", f"d{n % 7}", f"e{n % 11}")  # no two items tie
            word = msgspec.structs.replace(word, item_id=f"i{n % 250}", categories=words_of)
        words = [(example.offset, word)]
        learning.learn_many([example], updates=words)
        learning._batch.settle()
        wanted, made = shown(learning, example.query, target), lists.of(example.query, target)
        assert (wanted is None) == (made is None)
        if wanted is not None and made is not None:
            found += 1
            untried += 0 < wanted[0][:, UNTRIED].sum() < len(wanted[0])
            assert_alike(made, wanted)
    assert (untried > found / 2) == (without != "content")
    return found


@pytest.mark.parametrize("known", [True, False])
def test_the_list_of_a_sessions_opening_is_what_ranking_shows(known: bool) -> None:
    rng, stream = np.random.default_rng(5), Stream()
    for n in range(900):
        context, earlier = {"place": n % 3}, [f"i{k}" for k in rng.integers(0, 120, n % 12)]
        item = f"i{int(rng.zipf(1.3)) % 120}"
        stream.add(f"s{n // 3}", item, START_MS + n, context=context, earlier=earlier)
    learning = learn(stream.examples, WIDE)
    for name, most in (("by_popularity", 20), ("by_rules", 30), ("by_encoder", 25)):
        setattr(learning.recommender.retriever, name, most)
    lists, found = RankerLists(learning.recommender.retriever), 0
    for n in range(60):
        earlier = tuple(f"i{k}" if known else f"x{k}" for k in rng.integers(0, 120, 1 + n % 14))
        query = Query("u", "u", earlier=earlier, seen=earlier[:2], context={"place": n % 3})
        for target in range(0, learning.state.items.size, 7):
            wanted, made = shown(learning, query, target), lists.of(query, target)
            assert (wanted is None) == (made is None)
            if wanted is not None and made is not None:
                found += 1
                assert_alike(made, wanted)
    assert found > 200


def test_an_item_that_nobody_may_propose_has_no_list() -> None:
    learning, query = learn([Stream().add("u", "a")]), Query("u", "u", ("a",))
    lists = RankerLists(learning.recommender.retriever)
    assert lists.of(query, -1) is None
    assert lists.of(query, 0) is not None
    assert lists.of(Query("u", "u", ("a",), seen=("a",)), 0) is None
    learning.learn_many([], updates=[(5, update("a", in_stock=False))])
    assert lists.of(query, 0) is None


def test_a_history_of_unknown_items_has_a_list_by_popularity() -> None:
    learning = learn([Stream().add("u", "a")])
    made = RankerLists(learning.recommender.retriever).of(Query("u", "u", ("new",)), 0)
    assert made is not None
    assert np.isfinite(made[0]).all()


def test_the_model_may_outgrow_the_lists_room() -> None:
    stream = Stream()
    for n in range(1_100):
        stream.add(f"u{n // 3}", f"i{n}", START_MS + n)
    learning = learner(small(capacity=5_000))
    lists = RankerLists(learning.recommender.retriever)
    learning.learn_many(stream.examples)
    learning.close_micro_batch()
    target = learning.state.items.row_of("i1099")
    assert lists.of(Query("u", "u", ("i1098",)), target) is not None


@pytest.mark.parametrize("exact_up_to", [20_000, 30])
@pytest.mark.parametrize("words", [(), ("tea", "cup"), ("tea", "shelf {shelf}")])
def test_whether_anybody_observes_changes_nothing(words: tuple[str, ...], exact_up_to: int) -> None:
    """An observer sees everything counted; without one, lists wait for their micro-batch."""

    class Watching:
        def wants(self, example: object) -> bool:
            return True

        def observe(self, example: object, ranking: object) -> None:
            pass

    rng, stream, updates = np.random.default_rng(1), Stream(), []
    for n in range(1_500):
        context, earlier = {"place": n // 200, "day": n % 3}, [f"i{k}" for k in range(n % 4)]
        item = f"i{int(rng.zipf(1.2)) % 600}"
        stream.add(f"u{n % 37}", item, START_MS + n * 1_000, context=context, earlier=earlier)
        if n % 7 == 0:
            word = update(f"i{n % 30}", in_stock=n % 3 > 0)
            title = " ".join(words).format(shelf=100 + n % 11)
            updates.append((n, msgspec.structs.replace(word, title=title)))
    states = []
    for observer in (None, Watching()):  # rows change hands: there are few
        config = small(context_slots=2, exact_up_to=exact_up_to)
        learning = learner(config, observer=observer)
        learning.state.index.depth = 5  # a graph is larger than what is taken from it
        learning.learn_many(stream.examples, updates=updates)
        learning.close_micro_batch()
        states.append(learning.state)
    assert states[0].progress.step > 50
    assert len({example.item_id for example in stream.examples}) > states[0].items.capacity
    assert differences(*states) == []
