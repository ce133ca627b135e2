from __future__ import annotations

import numpy as np
import pytest

from online_models.context_fields import FIELDS
from online_models.encoder import NEAR
from online_models.feature_names import feature_names
from online_models.features import features
from online_models.recommender import Recommender
from online_models.retrieval import Candidates
from online_models.state import ModelState
from schemas.examples import Query
from schemas.model_config import ModelConfig
from tests.builders import START_MS, Stream, learn, small

HISTORY = ("a", "b", "a", "c")


@pytest.fixture(scope="module")
def state() -> ModelState:
    stream = Stream()
    for n in range(6):
        for k, item in enumerate("abcd"):
            stream.add(f"s{n}", item, START_MS + (n * 4 + k) * 600_000)
    return learn(stream.examples).state


def table(
    state: ModelState, *history: str, earlier: tuple[str, ...] = ()
) -> tuple[Candidates, dict[str, np.ndarray]]:
    query = Query("u", "u", history=history, earlier=earlier)
    candidates = Recommender(state).rank(query).candidates
    values = features(state, candidates)
    names = feature_names(state.config)
    assert values.shape == (len(candidates.rows), len(names))
    return candidates, dict(zip(names, values.T, strict=True))


def test_every_feature_stands_under_its_name(state: ModelState) -> None:
    candidates, named = table(state, *HISTORY, earlier=("b", "d", "nowhere", "b"))
    assert [state.items.id_of(row) for row in candidates.rows] == list("abcd")
    for channel, side in enumerate(("follows_0", "follows_1", "precedes_0", "precedes_1")):
        for prefix, counts in (("", candidates.rules), ("newest_", candidates.last_rules)):
            wanted = np.log(counts[:, channel] + np.float32(0.01))
            np.testing.assert_allclose(named[f"{prefix}rules_{side}"], wanted, rtol=1e-5)
    wanted = np.log(candidates.shares[:, 1] + np.float32(1e-6))
    np.testing.assert_allclose(named["popularity_1"], wanted, rtol=1e-5)
    encoded = candidates.encoded[:, 0]
    np.testing.assert_array_equal(named["encoder"], encoded)
    np.testing.assert_array_equal(named["encoder_below_best"], encoded - encoded.max())
    outputs = state.encoder.output.array[:4, :-1]
    near = outputs @ state.encoder.input.array[candidates.asked.history, NEAR].T
    np.testing.assert_allclose(named["likeness_to_newest"], near[:, 0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(named["largest_likeness"], near.max(axis=1), rtol=1e-4, atol=1e-6)
    for prefix, counts in (("", candidates.rules), ("newest_", candidates.last_rules)):
        wanted = np.log((counts + np.float32(0.01)) @ state.rules.mix)
        below = named[f"{prefix}rules_below_best"]
        np.testing.assert_allclose(below, wanted - wanted.max(), rtol=1e-4, atol=1e-5)
    wanted = np.log(state.popularity.blend(candidates.shares))
    below = named["popularity_below_best"]
    np.testing.assert_allclose(below, wanted - wanted.max(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(named["recency_in_unit"], [1 / 2, 1 / 3, 1, 0], rtol=1e-6)
    np.testing.assert_allclose(named["times_in_unit"], np.log1p([2, 1, 1, 0]), rtol=1e-6)
    assert named["is_newest"].tolist() == [0, 0, 1, 0]
    assert named["by_rules"].tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(named["unit_length"], np.log1p(4), rtol=1e-6)
    np.testing.assert_allclose(named["distinct_share"], 3 / 4, rtol=1e-6)
    np.testing.assert_allclose(named["recency_in_earlier"], [0, 1, 0, 1 / 2], rtol=1e-6)
    np.testing.assert_allclose(named["earlier_length"], np.log1p(3), rtol=1e-6)
    hours = (23 - np.arange(4)) / 6
    np.testing.assert_allclose(named["age_hours"], np.log1p(hours), rtol=1e-6)


@pytest.mark.parametrize("places", [(), (0,), (0, 1)])
def test_lifts_by_several_values_are_summed_and_the_extremes_kept(places: tuple[int, ...]) -> None:
    rng, stream = np.random.default_rng(1), Stream()
    for n in range(600):
        context = {f"field{place}": 0 for place in (0, 1) if rng.random() < 0.5}
        item = "abcd"[len(context) + int(rng.integers(2))]
        stream.add(f"s{n // 4}", item, START_MS + n, context=context)
    learnt = learn(stream.examples).state
    query = Query("u", "u", ("a",), context={f"field{place}": 0 for place in places})
    found = Recommender(learnt).rank(query).candidates
    named = dict(zip(feature_names(learnt.config), features(learnt, found).T, strict=True))
    assert found.lifts.shape == (len(found.rows), len(places))
    if not places:
        assert not np.any([named[n] for n in named if n.startswith("context")])
        return
    np.testing.assert_allclose(named["context_lift"], found.lifts.sum(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(named["context_largest_lift"], found.lifts.max(axis=1))
    np.testing.assert_array_equal(named["context_least_lift"], found.lifts.min(axis=1))
    assert named["context_lift"].std() > 0
    of_fields = [named[f"context_field_{number}"] for number in range(FIELDS)]
    used = [column for column in of_fields if column.any()]
    assert len(used) == len(places)
    np.testing.assert_allclose(np.sum(used, axis=0), named["context_lift"], rtol=1e-5, atol=1e-6)


def test_what_follows_differs_from_what_precedes(state: ModelState) -> None:
    _, named = table(state, "b")
    assert named["newest_rules_follows_1"].argmax() == 2
    assert named["newest_rules_precedes_1"].argmax() == 0


def test_a_query_without_history_has_features_too(state: ModelState) -> None:
    _, named = table(state)
    assert named["unit_length"].tolist() == [0, 0, 0, 0]
    assert all(np.isfinite(column).all() for column in named.values())


def test_no_candidates_make_an_empty_table() -> None:
    candidates, _ = table(ModelState(small()), "unknown")
    assert len(candidates.rows) == 0


@pytest.mark.parametrize("config", [ModelConfig(), small()])
def test_names_are_distinct(config: ModelConfig) -> None:
    names = feature_names(config)
    assert len(set(names)) == len(names)
