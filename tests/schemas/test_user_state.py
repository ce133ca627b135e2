"""The rules of a stream: what they refuse, and what they come to."""

from typing import Any

import pytest

from schemas.user_state import StreamRules


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"unit": "page"}, "unit is 'page', use 'session' or 'user'"),
        ({"repeats": "never"}, "repeats is 'never', use 'allow' or 'exclude'"),
        ({"session_gap_ms": 0}, "session_gap_ms is 0, it must be positive"),
        ({"feedback_window_ms": 0}, "feedback_window_ms is 0, it must be positive"),
    ],
)
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StreamRules(**wrong)


@pytest.mark.parametrize(
    ("unit", "repeats", "excludes"),
    [
        ("session", "", False),
        ("session", "exclude", True),
        ("user", "", True),
        ("user", "allow", False),
    ],
)
def test_users_exclude_what_they_hold_and_sessions_do_not_unless_said(
    unit: str, repeats: str, excludes: bool
) -> None:
    assert StreamRules(unit=unit, repeats=repeats).excludes == excludes


def test_kinds_that_are_not_named_weigh_the_default() -> None:
    rules = StreamRules(kind_weights={"click": 0.0}, default_kind_weight=2.5)
    assert (rules.weight("click"), rules.weight("share")) == (0.0, 2.5)
