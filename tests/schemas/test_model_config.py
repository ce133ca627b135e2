from __future__ import annotations

import pytest

from schemas.model_config import SIZES, ModelConfig
from schemas.user_state import StreamRules


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_at_least_1(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0, it must be at least 1"):
        ModelConfig(**{name: 0})


@pytest.mark.parametrize("window", [0, 31])
def test_what_is_scored_from_lies_within_what_is_learnt_from(window: int) -> None:
    message = rf"scoring_window is {window}, it must lie within 1 and learning_window \(30\)"
    with pytest.raises(ValueError, match=message):
        ModelConfig(scoring_window=window)


def test_capacity_is_no_smaller_than_evictions_need() -> None:
    with pytest.raises(ValueError, match="capacity is 255, it must be at least 256"):
        ModelConfig(capacity=255)


def test_the_encoder_reads_no_more_than_is_learnt_from() -> None:
    message = r"encoder_window is 31, it must not exceed learning_window \(30\)"
    with pytest.raises(ValueError, match=message):
        ModelConfig(encoder_window=31)


def test_a_model_is_read_as_it_was_learnt() -> None:
    learnt = ModelConfig(unit="user")
    assert learnt.reads_like(ModelConfig(unit="user", repeats="exclude"))
    assert not learnt.reads_like(ModelConfig())
    rules = learnt.reading(StreamRules(repeats="allow", session_gap_ms=5))
    assert (rules.unit, rules.excludes, rules.session_gap_ms) == ("user", True, 5)


def test_the_unit_is_one_that_rules_know() -> None:
    with pytest.raises(ValueError, match="unit is 'day', use 'session' or 'user'"):
        ModelConfig(unit="day")
