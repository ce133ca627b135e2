"""Without a source nothing is proposed by it, and no ranker can tell what it knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from online_models.context_fields import FIELDS
from online_models.evaluation.ablation import TOLD, Untold, Without, check_ablated
from online_models.feature_names import TOLD_BY, feature_names
from online_models.learner import Learner
from online_models.prequential import Evaluator
from online_models.ranker_lists import RankerLists
from online_models.recommender import Recommender
from online_models.retrieval import SOURCES
from online_models.state import ModelState
from schemas.events import ItemUpdate, Scalar
from schemas.examples import Query
from tests.builders import SMALL, START_MS, Stream, chains, differences, learner

SHARED = {
    *("unit_length", "distinct_share", "age_hours", "history_age_hours", "apart_in_age"),
    *("recency_in_earlier", "earlier_length"),
    *("context_lift", "context_largest_lift", "context_least_lift"),
    *(f"context_field_{number}" for number in range(FIELDS)),
}
"""Features that no single source tells."""


def known(source: str) -> tuple[ModelState, Without]:
    learning = learner()
    words = [ItemUpdate(item_id=f"i{n}", categories=(f"c{n % 7}",)) for n in range(152)]
    learning.learn_many(chains(600, items=150), updates=[(0, word) for word in words])
    learning.close_micro_batch()
    return learning.state, Without(learning.state, source)


QUERY = Query("u", "s", ("i3", "i4"))


def test_every_feature_is_told_by_one_source_or_is_known_to_be_shared() -> None:
    for name in feature_names(SMALL):
        tellers = [source for source, begins in TOLD_BY.items() if name.startswith(begins)]
        assert len(tellers) == (0 if name in SHARED else 1), name
    assert set(TOLD_BY) <= set(SOURCES)


@pytest.mark.parametrize("source", SOURCES)
def test_what_only_that_source_proposed_is_no_candidate(source: str) -> None:
    state, without = known(source)
    whole, rest = Recommender(state).rank(QUERY).candidates, without.rank(QUERY).candidates
    others = np.logical_or.reduce([whole.proposed_by(name) for name in SOURCES if name != source])
    np.testing.assert_array_equal(rest.rows, whole.rows[others])
    for name in set(rest.__struct_fields__) - {"asked"}:
        assert len(getattr(rest, name)) == len(rest.rows), name


@pytest.mark.parametrize("source", SOURCES)
def test_its_features_are_the_same_for_all_candidates(source: str) -> None:
    state, without = known(source)
    names, table = feature_names(state.config), without.rank(QUERY).features
    told = [name.startswith(TOLD_BY[source]) for name in names]
    assert any(told)
    assert not table[:, told].any()
    assert table[:, [not t for t in told]].any()


def test_scores_are_those_of_the_features_that_are_left() -> None:
    state, without = known("rules")
    ranking = without.rank(QUERY)
    np.testing.assert_array_equal(ranking.scores, state.ranker.scores(ranking.features))
    assert not np.array_equal(ranking.scores, Recommender(state).rank(QUERY).scores)


def test_without_popularity_nobody_is_there_for_a_user_without_history() -> None:
    nobody = Query("u", "s")
    assert len(known("rules")[1].rank(nobody).candidates.rows)
    assert not len(known("popularity")[1].rank(nobody).candidates.rows)


def test_what_a_source_adds_is_seen_when_all_is_learnt_without_it() -> None:
    found = {}
    for source in ("", "rules"):
        state = ModelState(SMALL)
        evaluator = Evaluator(state)
        ranks = Without(state, source) if source else Recommender(state)
        lists = RankerLists(ranks.retriever, without=source)
        learning = Learner(state, ranks, lists=lists, observer=evaluator, publish_interval_ms=None)
        learning.learn_many(chains(1_500, items=150))
        found[source] = evaluator.report()["metrics"]["mrr@20"]
    assert found[""] > found["rules"] + 0.05


@pytest.mark.parametrize("field", TOLD)
def test_what_is_not_told_is_not_learnt(field: str) -> None:
    told, plain = Stream(), Stream()
    for n in range(300):
        unit, item = f"s{n % 40}", f"i{n * 7 % 60}"
        all_: dict[str, Any] = {
            "context": {"place": n % 3},
            "earlier": (f"i{n % 50}",),
            "moment": {"pause": n % 4},
        }
        told.add(unit, item, START_MS + n, **all_)
        del all_[field]
        plain.add(unit, item, START_MS + n, **all_)
    states = []
    for learning, stream in (
        (Untold(ModelState(SMALL), field), told),
        (learner(micro_batch=64), plain),
    ):
        learning.learn_many(stream.examples)
        learning.close_micro_batch()
        states.append(learning.state)
    assert differences(*states) == []


def test_who_is_not_told_the_context_keeps_to_the_hard_rules_that_read_it() -> None:
    stream = Stream()
    for n in range(400):
        context: dict[str, Scalar] = {"age": "30" if n % 2 else "15"}
        stream.add(f"s{n % 40}", f"i{n * 7 % 60}", START_MS + n, context=context)
    learning, found = Untold(ModelState(SMALL), "context"), []
    adult = ItemUpdate(item_id="i7", min_age=18)
    learning.learn_many(stream.examples, updates=[(0, adult)])
    learning.close_micro_batch()
    for age in ("30", "15"):
        slate = learning.recommender.recommend(Query("u", "s", ("i0",), context={"age": age}), 60)
        found.append({item.item_id: item.score for item in slate.items})
    grown, young = found
    assert "i7" in grown
    same = {item: score for item, score in grown.items() if item != "i7"}
    assert young == pytest.approx(same, abs=1e-5)


def test_what_cannot_be_left_out_is_told_with_what_can() -> None:
    with pytest.raises(ValueError, match=r"no 'rule' to leave out: take popularity, .*, earlier"):
        check_ablated(["rules", "rule"], unit="session")
    check_ablated(["context", "earlier"], unit="session")
    check_ablated(["context"], unit="user")
    with pytest.raises(ValueError, match=r"'earlier' is what .* drop it, or replay with --unit"):
        check_ablated(["earlier"], unit="user")
    with pytest.raises(ValueError, match="no source called 'rule'"):
        Without(ModelState(SMALL), "rule")
