"""The stage at fault is named, with counts that lead there."""

from __future__ import annotations

import numpy as np
import pytest

from online_models.explaining.diagnosis import Diagnosis, diagnose
from online_models.feature_names import feature_names
from online_models.recommender import Recommender
from online_models.state import ModelState
from schemas.events import ItemUpdate
from schemas.examples import Query
from schemas.model_log import Describe
from schemas.slate_rules import SlateRules
from tests.builders import chains, learn, reload, small

IDS = [f"i{n}" for n in range(40)]
QUERY = Query("u", "u", ("i3", "i4", "i5"))
KEPT = learn(chains(900), small()).state
STAGES = ["items", "history", "hard_rules", "candidates", "features", "ranking", "rules"]


@pytest.fixture
def state() -> ModelState:
    return reload(KEPT)


def told(state: ModelState, k: int = 10, query: Query = QUERY, **rules: object) -> Diagnosis:
    return diagnose(Recommender(state), query, k, SlateRules(**rules))  # type: ignore[arg-type]


def test_in_good_health_nothing_is_at_fault(state: ModelState) -> None:
    found = told(state)
    assert found.fault == ""
    assert [step.name for step in found.steps] == STAGES
    width = len(feature_names(state.config))
    assert [step.count for step in found.steps] == [40, 3, 40, 40, width, 40, 10]
    assert told(state, query=Query("u", "u")).fault == ""


def test_what_slates_told_of_the_places_is_told_with_the_ranking(state: ModelState) -> None:
    assert told(state).steps[5].detail == "finite scores of 40, by the ranker"
    state.examination.counts.array[:, :2] = [[80, 30], [80, 80]]
    assert told(state).steps[5].detail == (
        "finite scores of 40, by the ranker; places are looked at 1.00, 0.50" + ", 1.00" * 8
    )


def test_a_model_of_few_items_is_at_fault_itself(state: ModelState) -> None:
    found = told(state, 50)
    assert found.fault == "items"
    assert found.steps[-1].detail == "40 of 50 places are filled"


def test_a_history_of_items_that_the_model_does_not_know_is(state: ModelState) -> None:
    found = told(state, query=Query("u", "u", ("x", "y")))
    assert found.fault == "history"
    assert found.steps[1].detail == "0 of 2 items of the history are known"


def test_a_new_session_of_a_known_user_is_told_as_such(state: ModelState) -> None:
    found = told(state, query=Query("u", "u", earlier=("i3", "x")))
    assert found.steps[1].detail == "1 of 2 items of the user's other sessions are known"
    assert found.steps[5].detail == "finite scores of 40, by the ranker"
    begun = told(state, query=Query("u", "u", ("x",), earlier=("i3", "y")))
    assert begun.fault == "", "a first click on a new item is no fault where the user is known"
    assert begun.steps[1].detail == (
        "0 of 1 items of the history are known; 1 of 2 items of the user's other sessions are known"
    )
    assert told(state, query=Query("u", "u")).steps[5].detail.endswith("by popularity alone")


def test_hard_rules_that_leave_too_little_are_named_with_counts(state: ModelState) -> None:
    words = [ItemUpdate(item_id=i, in_stock=False) for i in IDS[:20]]
    words += [ItemUpdate(item_id=i, min_age=18) for i in IDS[20:35]]
    state.apply(Describe(tuple(words)))
    found = told(state)
    assert found.fault == "hard_rules"
    detail = "35 of 40 items are barred: out_of_stock 20, min_age 15"
    assert (found.steps[2].count, found.steps[2].detail) == (5, detail)


def test_a_cap_that_could_not_be_kept_is_the_fault_of_the_rules(state: ModelState) -> None:
    state.apply(Describe(tuple([ItemUpdate(item_id=i, categories=("a",)) for i in IDS])))
    found = told(state)
    assert found.fault == "rules"
    assert "category_share was relaxed" in found.steps[-1].detail


def test_moves_are_counted(state: ModelState) -> None:
    found = told(state, pins={0: "i20"}, sponsored=("i21", "i22"))
    assert found.fault == ""
    assert found.steps[-1].detail == (
        "10 of 10 places are filled; pin moved 1; sponsored moved 1; sponsored held back 1"
    )


def test_a_stage_that_fails_ends_the_walk(state: ModelState) -> None:
    state.encoder.output.array = state.encoder.output.array[:3]
    found = told(state)
    assert found.fault == "candidates"
    assert found.steps[-1].detail.startswith("failed: ")


def test_features_that_are_no_numbers_are_at_fault(state: ModelState) -> None:
    state.encoder.output.array[state.items.row_of("i9")] = np.nan
    with np.errstate(invalid="ignore"):
        found = told(state)
    assert found.fault == "features"
    assert found.steps[4].detail.endswith("1 with no finite ones")
