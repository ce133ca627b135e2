"""A request may say how its own slate is made, within what the settings allow."""

from __future__ import annotations

import pytest

from schemas.errors import RequestRefused
from schemas.slate_rules import SlateRules
from serving import scorer_pb2 as pb
from serving.overrides import overridden

BASE = SlateRules(
    pins={0: "a", 1: "b"},
    sponsored=("s",),
    most_sponsored=2,
    sponsored_from=4,
    blocked_items=frozenset("x"),
    blocked_categories=frozenset("c"),
)


def test_who_says_nothing_gets_what_the_settings_say() -> None:
    assert overridden(BASE, pb.SlateRules()) is BASE


def test_numbers_are_replaced_and_lists_added_to() -> None:
    said = pb.SlateRules(
        category_share=1.0,
        seller_share=0.5,
        diversity=0.25,
        freshness=2.0,
        pins={1: "c"},
        sponsored=["t"],
        blocked_items=["y"],
        blocked_categories=["d"],
    )
    assert overridden(BASE, said) == SlateRules(
        category_share=1.0,
        seller_share=0.5,
        diversity=0.25,
        freshness=2.0,
        pins={0: "a", 1: "c"},
        sponsored=("t", "s"),
        most_sponsored=2,
        sponsored_from=4,
        blocked_items=frozenset("xy"),
        blocked_categories=frozenset("cd"),
    )


def test_bounds_of_sponsored_items_only_get_narrower() -> None:
    wide = overridden(BASE, pb.SlateRules(most_sponsored=9, sponsored_from=0))
    assert (wide.most_sponsored, wide.sponsored_from) == (2, 4)
    narrow = overridden(BASE, pb.SlateRules(most_sponsored=0, sponsored_from=7))
    assert (narrow.most_sponsored, narrow.sponsored_from) == (0, 7)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"category_share": 2.0}, "`rules`: category_share is 2.0, it must lie within 0 and 1"),
        ({"diversity": float("nan")}, "`rules`: diversity is nan"),
        ({"sponsored_from": 2**32 - 1}, "`rules`: sponsored_from is 4294967295"),
        ({"pins": {1_000: "a"}}, "`rules`: pins name place 1000"),
        ({"pins": {1: ""}}, r"`rules.pins\[1\]` is empty"),
        ({"blocked_items": ["a"] * 1_001}, "`rules.blocked_items` names 1001: send 1000 at most"),
        ({"blocked_categories": ["a"] * 1_001}, "`rules.blocked_categories` names 1001"),
        ({"sponsored": ["a"] * 1_001}, "`rules.sponsored` names 1001"),
    ],
)
def test_rules_that_make_no_sense_are_refused_by_name(
    said: dict[str, object], message: str
) -> None:
    with pytest.raises(RequestRefused, match=message):
        overridden(BASE, pb.SlateRules(**said))
