"""Impressions meet interactions."""

from __future__ import annotations

import random
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models.feedback import again, answer, show
from online_models.slates import GIVEN, ITEMS, OPEN, WAITING, without_published
from schemas.events import Impression, Interaction, ShownItem
from schemas.positions import Position
from schemas.slates import Served, Slates
from schemas.slates_codec import unpack_items
from tests.online_models.shown import (
    MINUTE_MS,
    RULES,
    START_MS,
    Ann,
    Label,
    impression,
    interaction,
    interleaved,
    label_of,
    streams,
    wanted,
)


def told(labels: list[Label]) -> list[str]:
    """Return labels as ``request:chosen<items``."""
    return [f"{request}:{chosen}<{''.join(items)}" for request, chosen, items, _, _ in labels]


# ---- by hand ---------------------------------------------------------------------------------


def test_a_click_is_chosen_over_what_stands_beside_it() -> None:
    ann = Ann()
    assert ann.sees(impression("r", "abcde")) == []
    assert told(ann.does(interaction("c", 1, "r"))) == ["r:c<abcde"]
    assert ann.outcomes == ["joined_by_request"]


def test_a_label_holds_what_was_served_and_where_it_was_completed() -> None:
    ann = Ann()
    ann.does(interaction("z", 0))
    ann.sees(impression("r", "ab"))
    ann.does(interaction("b", 2, "r", kind="purchase"))
    [label] = ann.given
    halves = [array("f", [n, 0.5]).tobytes() for n in range(2)]
    assert label.items == (Served("a", 0, 1.0, halves[0]), Served("b", 1, 0.5, halves[1]))
    assert (label.user_id, label.request_id, label.place) == ("ann", "r", 1)
    assert (label.weight, label.time_ms) == (5.0, START_MS + 2 * MINUTE_MS)
    assert (label.offset, label.model_version, label.variant) == (1, 7, "b")


def test_a_later_click_keeps_what_was_passed_over_and_leaves_out_what_was_chosen() -> None:
    ann = Ann()
    ann.sees(impression("r", "abcdef"))
    clicks = [interaction(item, 1 + n, "r") for n, item in enumerate("dbdfa")]
    assert told(ann.take(clicks)) == [
        "r:d<abcdef",
        "r:b<abcef",
        "r:d<acdef",
        "r:f<acef",
        "r:a<ace",
    ]


def test_what_stands_far_below_the_lowest_click_is_left_out() -> None:
    letters = "".join(map(chr, range(ord("A"), ord("A") + 40)))
    ann = Ann()
    ann.sees(impression("r", letters))
    [first, second] = ann.take([interaction("A", 1, "r"), interaction("E", 1, "r")])
    assert first[2] == tuple(letters[:21])
    assert second[2] == tuple(letters[1:25])


def test_a_click_on_an_item_that_was_shown_alone_has_nothing_to_be_compared_with() -> None:
    ann = Ann()
    ann.sees(impression("r", "a"))
    assert told(ann.does(interaction("a", 1, "r"))) == ["r:a<a"]


def test_a_click_that_comes_before_its_slate_waits_for_it() -> None:
    ann = Ann()
    assert ann.does(interaction("c", 1, "r")) == []
    assert ann.does(interaction("a", 2, "r")) == []
    assert ann.does(interaction("b", 2, "other")) == []
    assert told(ann.sees(impression("r", "abcd"))) == ["r:c<abcd", "r:a<abd"]
    assert [label.offset for label in ann.given] == [0, 0]  # the impression's
    assert [label.time_ms for label in ann.given] == [START_MS + MINUTE_MS, START_MS + 120_000]
    assert told(ann.sees(impression("other", "ab"))) == ["other:b<ab"]


def test_without_a_request_the_newest_slate_with_the_item_is_answered() -> None:
    ann = Ann()
    ann.take([impression("old", "abx", 0), impression("new", "ba", 5), impression("no", "c", 6)])
    assert told(ann.does(interaction("a", 7))) == ["new:a<ba"]
    assert told(ann.does(interaction("x", 8))) == ["old:x<abx"]
    assert ann.does(interaction("y", 9)) == []
    assert ann.outcomes == ["joined_by_item"] * 2


def test_without_a_request_a_slate_that_came_later_is_not_answered() -> None:
    ann = Ann()
    ann.take([impression("r", "ab", 5)])
    assert ann.does(interaction("a", 4)) == []
    assert ann.outcomes == []


def test_kinds_of_weight_0_answer_nothing() -> None:
    ann = Ann()
    ann.sees(impression("r", "ab"))
    events = [interaction("b", 1, "r", kind=kind) for kind in ("skip", "dislike", "impression")]
    assert ann.take([*events, interaction("b", 1, "later", kind="skip")]) == []
    assert ann.outcomes == []
    assert ann.slates is not None
    assert ann.slates.waiting == ()


def test_an_item_that_was_not_shown_is_foreign_whichever_comes_first() -> None:
    ann = Ann()
    ann.take([impression("r", "ab"), impression("s", "z"), interaction("z", 1, "r")])
    ann.take([interaction("z", 1, "q"), impression("q", "ab")])
    assert (ann.given, ann.outcomes) == ([], ["foreign", "foreign"])


def test_a_slate_that_comes_twice_changes_nothing() -> None:
    ann = Ann()
    ann.take([impression("r", "ab"), interaction("b", 1, "r")])
    before = ann.slates
    assert ann.sees(impression("r", "abcd", 2)) == []
    assert ann.slates is before
    assert ann.outcomes[-1] == "duplicate"


@pytest.mark.parametrize("closing", [impression("s", "c", 30.1), interaction("z", 30.1)])
def test_the_first_event_past_the_window_closes_a_slate(closing: Impression | Interaction) -> None:
    ann = Ann()
    ann.take([impression("r", "ab"), impression("q", "ab"), interaction("b", 30, "q")])
    assert ann.outcomes == ["joined_by_request"]
    ann.take([closing])
    assert ann.outcomes[1:] == ["closed_unanswered", "closed_answered"]
    assert ann.does(interaction("b", 29, "q")) == []
    assert ann.outcomes[3:] == ["late"]
    assert len(ann.given) == 1


def test_a_click_past_the_window_is_late_and_closes_its_slate() -> None:
    ann = Ann()
    ann.take([impression("r", "ab"), interaction("b", 30.1, "r")])
    assert (ann.given, ann.outcomes) == ([], ["late", "closed_unanswered"])


def test_a_slate_that_comes_past_the_window_is_late() -> None:
    ann = Ann()
    ann.take([interaction("b", 1, "r"), interaction("z", 30.1), impression("r", "ab")])
    ann.take([impression("s", "ab", 90), impression("t", "ab", 59)])
    assert (ann.given, ann.outcomes) == ([], ["late", "orphaned", "late"])


def test_a_slate_that_comes_just_within_the_window_is_joined() -> None:
    ann = Ann()
    ann.take([interaction("b", 1, "r"), interaction("z", 30)])
    assert told(ann.sees(impression("r", "ab", 0))) == ["r:b<ab"]


def test_an_answer_whose_slate_never_comes_is_orphaned() -> None:
    ann = Ann()
    ann.take([interaction("b", 1, "r"), interaction("z", 31)])
    assert ann.outcomes == []
    ann.take([interaction("z", 31.1)])
    assert ann.outcomes == ["orphaned"]
    assert ann.slates is None


def test_what_closes_is_judged_by_the_users_newest_event_not_by_the_one_that_comes() -> None:
    ann = Ann()
    ann.take([impression("r", "ab", 0), interaction("z", 30), interaction("y", 10)])
    assert told(ann.does(interaction("b", 5, "r"))) == ["r:b<ab"]


def test_the_kind_impression_does_not_let_time_pass() -> None:
    ann = Ann()
    ann.take([impression("r", "ab", 0), interaction("z", 50, kind="impression")])
    assert told(ann.does(interaction("b", 5, "r"))) == ["r:b<ab"]


def test_a_user_whose_slates_are_closed_and_published_keeps_nothing() -> None:
    ann = Ann()
    ann.take([impression("r", "ab"), interaction("b", 1, "r"), interaction("z", 40)])
    assert ann.slates is not None
    assert [slate.request_id for slate in ann.slates.closed] == ["r"]
    assert without_published(ann.slates, {"done": {0: 0}}) is ann.slates
    left = without_published(ann.slates, {"done": {0: 1}})
    assert left == Slates("ann")
    ann.slates = left
    ann.does(interaction("y", 41))
    assert ann.slates is left  # nothing changed, so there is nothing to write
    ann.take([impression("s", "a", 41), interaction("y", 90)])
    assert ann.slates is None


def test_an_interaction_that_answers_nothing_changes_nothing() -> None:
    ann = Ann()
    ann.does(interaction("a", 0))
    assert ann.slates is None
    ann.sees(impression("r", "ab"))
    before = ann.slates
    ann.take([interaction("z", 1), interaction("b", 2, kind="skip")])
    assert ann.slates is before


def test_places_come_from_the_positions_and_an_item_shown_twice_has_its_topmost() -> None:
    items = [ShownItem(item_id=i, position=p, score=0) for i, p in [("c", 9), ("a", 0), ("b", 4)]]
    twice = ShownItem(item_id="a", position=7, score=0)
    event = Impression(
        request_id="r", user_id="ann", time_ms=START_MS, items=(*items, twice), variant="v" * 99
    )
    ann = Ann()
    ann.sees(event)
    clicks = [interaction("a", 1, "r"), interaction("c", 1, "r")]
    assert told(ann.take(clicks)) == ["r:a<abc", "r:c<bc"]
    assert [item.position for item in ann.given[-1].items] == [4, 9]
    assert ann.given[-1].variant == "v" * 64


# ---- bounds ----------------------------------------------------------------------------------


def test_of_a_long_slate_the_topmost_items_are_kept_and_of_many_features_none() -> None:
    items = [
        ShownItem(item_id=f"i{n}", position=n, score=0, features=(1e39,) * (256 + n % 2))
        for n in reversed(range(ITEMS + 5))
    ]
    event = Impression(request_id="r", user_id="ann", time_ms=START_MS, items=tuple(items))
    ann = Ann()
    ann.sees(event)
    assert ann.slates is not None
    [slate] = ann.slates.open
    assert slate.item_ids == tuple(f"i{n}" for n in range(ITEMS))
    assert [len(item.features) for item in unpack_items(slate)[:2]] == [1_024, 0]
    ann.take([interaction(f"i{n}", 1, "r") for n in (ITEMS, ITEMS - 1)])
    assert ann.outcomes == ["foreign", "joined_by_request"]


def test_beyond_its_bound_the_oldest_slate_is_closed_before_its_time() -> None:
    ann = Ann()
    ann.take([impression(f"r{n}", "ab", n) for n in range(OPEN)])
    ann.take([interaction("b", OPEN, "r0"), impression("late", "ab", -1)])
    assert ann.outcomes == ["joined_by_request", "closed_unanswered"]
    ann.take([impression("new", "ab", OPEN)])
    assert ann.outcomes[2:] == ["closed_answered"]
    assert ann.slates is not None
    assert [slate.request_id for slate in ann.slates.open][::7] == ["r1", "new"]


def test_a_slate_closed_before_its_time_is_known_when_it_comes_again() -> None:
    ann = Ann()
    ann.take([impression("r", "ab", 0), interaction("b", 0, "r")])
    ann.take([impression(f"r{n}", "ab", 1) for n in range(OPEN)])
    assert ann.sees(impression("r", "ab", 0)) == []
    assert ann.outcomes == ["joined_by_request", "closed_answered", "duplicate"]


def test_a_slate_that_is_closed_at_once_has_its_answers_joined_before() -> None:
    ann = Ann()
    ann.take([interaction("b", 0, "late")])
    ann.take([impression(f"r{n}", "ab", n) for n in range(OPEN)])
    assert told(ann.sees(impression("late", "ab", -1))) == ["late:b<ab"]
    assert ann.outcomes == ["joined_by_request", "closed_answered"]


def test_beyond_their_bound_the_oldest_answers_are_orphaned() -> None:
    ann = Ann()
    ann.take([interaction("b", n / 10, f"r{n}") for n in range(WAITING + 2)])
    assert ann.outcomes == ["orphaned"] * 2
    assert ann.sees(impression("r1", "ab")) == []
    assert told(ann.sees(impression("r2", "ab"))) == ["r2:b<ab"]


def test_beyond_their_bound_the_oldest_labels_are_not_given_again() -> None:
    ann = Ann()
    ann.sees(impression("r", "ab"))
    ann.take([interaction("b", 1, "r", n=n) for n in range(GIVEN + 1)])
    assert ann.slates is not None
    assert again(ann.slates, Position("done", 0, 0)) == []
    assert [label_of(one) for one in again(ann.slates, Position("done", 0, 1))] == [
        label_of(ann.given[1])
    ]


# ---- for any stream --------------------------------------------------------------------------

MINUTES = st.integers(0, 200)


@settings(deadline=None)
@given(streams(), st.randoms(use_true_random=False))
def test_the_labels_are_the_same_for_any_interleaving_within_the_window(
    stream: tuple[list[Impression], list[Interaction]], dice: random.Random
) -> None:
    ann = Ann()
    labels = ann.take(interleaved(dice, *stream, ahead_ms=10 * MINUTE_MS))
    assert sorted(labels) == sorted(wanted(*stream))
    assert set(ann.outcomes) <= {
        "joined_by_request", "foreign", "closed_answered", "closed_unanswered",
    }  # fmt: skip
    assert ann.outcomes.count("joined_by_request") == len(labels)


@settings(deadline=None)
@given(streams(), st.randoms(use_true_random=False))
def test_every_event_gives_again_what_it_gave_until_that_is_published(
    stream: tuple[list[Impression], list[Interaction]], dice: random.Random
) -> None:
    ann, rank = Ann(), dict[tuple[str, int], list[object]]()
    for event in interleaved(dice, *stream, ahead_ms=60 * MINUTE_MS):
        topic = "shown" if isinstance(event, Impression) else "done"
        at, before = (topic, ann.offsets[topic]), len(ann.given)
        ann.take([event])
        rank[at] = list(ann.given[before:])
    low = {topic: {0: dice.randint(0, until)} for topic, until in ann.offsets.items()}
    left = None if ann.slates is None else without_published(ann.slates, low)
    for (topic, offset), labels in rank.items():
        at = Position(topic, 0, offset)
        assert again(ann.slates, at) == labels
        assert again(left, at) == (labels if offset >= low[topic][0] else [])
        assert again(ann.slates, Position(topic, 1, offset)) == []


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(), st.sampled_from("abc"), MINUTES, st.none() | st.integers(0, 40),
            st.sampled_from(["click", "skip"]),
        ),
        max_size=120,
    )
)  # fmt: skip
def test_what_is_kept_stays_within_its_bounds_for_any_events(
    events: list[tuple[bool, str, int, int | None, str]],
) -> None:
    ann = Ann()
    for is_shown, item, minute, number, kind in events:
        request = None if number is None else f"r{number}"
        if is_shown:
            ann.sees(impression(request or "r", "ab", minute / 2))
        else:
            ann.does(interaction(item, minute / 2, request, kind=kind))
        slates = ann.slates or Slates("ann")
        newest_ms = max([ann.newest_ms, *[slate.time_ms for slate in slates.open]])
        since_ms = newest_ms - RULES.feedback_window_ms
        assert len(slates.open) <= OPEN
        assert len(slates.waiting) <= WAITING
        assert all(slate.time_ms >= since_ms for slate in (*slates.open, *slates.waiting))
        requests = [slate.request_id for slate in (*slates.open, *slates.closed)]
        assert len(requests) == len(set(requests))
        referred = {one.request_id for one in slates.given}
        assert {slate.request_id for slate in slates.closed} <= referred <= set(requests)
        times = [slate.time_ms for slate in slates.open]
        assert times == sorted(times)


def test_the_functions_are_pure() -> None:
    slates = show(
        None, impression("r", "ab"), RULES, at=Position("shown", 0, 0), newest_ms=0
    ).slates
    event = interaction("b", 1, "r")
    one, other = [
        answer(slates, event, RULES, at=Position("done", 0, 0), newest_ms=event.time_ms)
        for _ in range(2)
    ]
    assert one == other
