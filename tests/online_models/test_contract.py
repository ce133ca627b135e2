"""What every model owes: each passes the same list, learnt by the learner, asked as a source."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from online_models.learner import Learner
from online_models.recommender import Ranking, Recommender
from online_models.state import ModelState
from schemas.examples import Example, Query
from schemas.model_config import ModelConfig
from tests.builders import (
    SMALL,
    chains,
    contents,
    differences,
    learn,
    learner,
    logged,
    random_stream,
    reload,
    small,
)

Ask = Callable[[ModelState, Query, int], list[tuple[int, float]]]


def by_source(source: str) -> Ask:
    def ask(state: ModelState, query: Query, count: int) -> list[tuple[int, float]]:
        ranking = Recommender(state).rank(query)
        return listed(ranking, ranking.top_by(source, count), ranking.own(source))

    return ask


def hybrid(state: ModelState, query: Query, count: int) -> list[tuple[int, float]]:
    ranking = Recommender(state).rank(query)
    return listed(ranking, ranking.top(count), ranking.scores)


def listed(ranking: Ranking, places: np.ndarray, scores: np.ndarray) -> list[tuple[int, float]]:
    rows = ranking.candidates.rows
    return [(int(rows[place]), float(scores[place])) for place in places]


MODELS: dict[str, Ask] = {
    **{name: by_source(name) for name in ("popularity", "rules", "encoder")},
    "hybrid": hybrid,
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ask(model: str) -> Ask:
    return MODELS[model]


QUERIES = [
    Query("u", "u"),
    Query("u", "u", history=("i3",)),
    Query("u", "u", history=("i1", "i2", "i3", "unknown"), seen=("i4",)),
]


def test_prediction_is_pure(ask: Ask) -> None:
    state = learn(chains(200)).state
    before = contents(state)
    first = [ask(state, query, 20) for query in QUERIES]
    assert [ask(state, query, 20) for query in QUERIES] == first
    assert contents(state) == before


def test_prediction_before_learning_is_empty(ask: Ask) -> None:
    assert [ask(ModelState(SMALL), query, 20) for query in QUERIES] == [[], [], []]


def test_prediction_after_one_event_works(ask: Ask) -> None:
    state = learn(chains(1)).state
    assert all(len(ask(state, query, 20)) <= 1 for query in QUERIES)


def test_a_saved_and_loaded_model_answers_the_same(ask: Ask) -> None:
    state = learn(chains(300)).state
    fresh = reload(state)
    assert [ask(fresh, query, 20) for query in QUERIES] == [ask(state, q, 20) for q in QUERIES]
    assert differences(state, fresh) == []


def test_a_loaded_model_goes_on_as_one_that_never_stopped(ask: Ask) -> None:
    examples = chains(320)
    learning = learn(examples[:160])
    learning.collect()
    other = Learner(reload(learning.state), micro_batch=16, publish_interval_ms=None)
    learning.learn_many(examples[160:])
    other.learn_many(examples[160:])
    assert logged(learning.collect()) == logged(other.collect())
    assert ask(learning.state, QUERIES[2], 20) == ask(other.state, QUERIES[2], 20)


@pytest.mark.parametrize("chunk", [1, 7, 1_000])
def test_chunks_of_calls_change_nothing(ask: Ask, chunk: int) -> None:
    examples = [*chains(300), *_moved(random_stream(200, items=400), 300)]
    whole, other = learn(examples), learner()
    for n in range(0, len(examples), chunk):
        other.learn_many(examples[n : n + chunk])
    other.close_micro_batch()
    assert differences(whole.state, other.state) == []
    assert ask(whole.state, QUERIES[2], 20) == ask(other.state, QUERIES[2], 20)


def _moved(examples: list[Example], by: int) -> list[Example]:
    return [msgspec.structs.replace(e, offset=e.offset + by) for e in examples]


def test_memory_is_bounded(ask: Ask) -> None:
    config = small(admit_after=2)
    examples = random_stream(4_000, items=2_560, units=300)
    state = learn(examples, config, lists_every=50, all_lists_until=0).state
    assert len(state.items) <= state.items.size <= config.capacity
    assert len(state.items._waiting) <= config.capacity
    assert state.rules.ids.array.shape[1] == config.neighbours
    assert {len(t.array) for t in state.tables.values() if t.by_row} == {1_024}
    assert len(ask(state, QUERIES[0], 10_000)) <= config.capacity


def test_equal_seeds_give_equal_models_and_others_do_not(model: str, ask: Ask) -> None:
    examples = chains(200)
    one, again = learn(examples).state, learn(examples).state
    other = learn(examples, small(seed=1)).state
    assert contents(one) == contents(again)
    if model in ("encoder", "hybrid"):
        assert ask(one, QUERIES[2], 20) != ask(other, QUERIES[2], 20)


PLANTED = small(
    dimensions=16, neighbours=20, hidden=8, learning_window=8, scoring_window=5, encoder_window=8
)


@pytest.fixture(scope="module")
def hit_rates() -> dict[str, float]:
    """The share of a planted stream's last events that each model puts among its top 3."""
    return measure(chains(6_000, items=60), PLANTED)


def measure(examples: list[Example], config: ModelConfig) -> dict[str, float]:
    learning = learner(config, micro_batch=32)
    learning.learn_many(examples[:-600])
    hits = dict.fromkeys(MODELS, 0)
    asked = [e for e in examples[-600:] if not e.opens_unit]
    for example in asked:
        row = learning.state.items.row_of(example.item_id)
        for name, ask in MODELS.items():
            hits[name] += row in [found for found, _ in ask(learning.state, example.query, 3)]
    return {name: count / len(asked) for name, count in hits.items()}


@pytest.mark.parametrize("model", ["rules", "encoder", "hybrid"])
def test_a_learned_model_beats_popularity_on_a_planted_stream(
    model: str, hit_rates: dict[str, float]
) -> None:
    assert hit_rates["popularity"] < 0.2
    assert hit_rates[model] > 0.6
