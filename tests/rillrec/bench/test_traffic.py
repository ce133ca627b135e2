"""Generated events: the same by seed, and with something to learn in them."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from rillrec.bench.traffic import Traffic, generated
from schemas.events import Interaction

SMALL = Traffic(events=5_000, users=200, items=1_000, seed=3)


@pytest.fixture(scope="module")
def events() -> list[Interaction]:
    return list(generated(SMALL))


def test_a_seed_gives_the_same_events_and_another_one_gives_others(
    events: list[Interaction],
) -> None:
    assert list(generated(SMALL)) == events
    other = Traffic(events=5_000, users=200, items=1_000, seed=4)
    assert list(generated(other)) != events


def test_as_many_events_come_as_were_asked_for_in_the_order_of_time(
    events: list[Interaction],
) -> None:
    assert len(events) == 5_000
    assert all(one.time_ms <= two.time_ms for one, two in pairwise(events))
    assert len({event.event_id for event in events}) == 5_000


@pytest.mark.parametrize("size", [1, 2, 7])
def test_the_smallest_traffic_is_traffic_too(size: int) -> None:
    assert len(list(generated(Traffic(events=size, users=1, items=1)))) == size


def test_nothing_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="users is 0, it must be at least 1"):
        Traffic(users=0)


def test_users_are_active_unequally_and_many_fill_their_history() -> None:
    counts = Counter(event.user_id for event in generated(Traffic(events=40_000, users=1_000)))
    full = sum(count >= 50 for count in counts.values())
    assert 150 < full < 500
    assert max(counts.values()) > 3 * 40


def test_what_follows_an_item_lies_near_it_mostly(events: list[Interaction]) -> None:
    of_user = defaultdict(list)
    for event in events:
        of_user[event.user_id].append(event)
    near = total = 0
    for visits in of_user.values():
        for one, two in pairwise(visits):
            if two.time_ms - one.time_ms < 300_000:
                step = (int(two.item_id[5:]) - int(one.item_id[5:])) % SMALL.items
                near += step <= 3
                total += 1
    assert total > 2_000
    assert near / total > 0.6


def test_popular_items_are_others_later_on() -> None:
    events = list(generated(Traffic(events=40_000, users=500, items=500)))
    first, last = (
        {item for item, _ in Counter(e.item_id for e in part).most_common(10)}
        for part in (events[:10_000], events[-10_000:])
    )
    assert len(first & last) < 10


def test_sessions_have_ids_only_where_they_are_asked_for(events: list[Interaction]) -> None:
    assert {event.session_id for event in events} == {None}
    named = list(generated(Traffic(events=1_000, users=50, named_sessions=True)))
    sessions = defaultdict(set)
    for event in named:
        sessions[event.session_id].add(event.user_id)
    assert 100 < len(sessions) < 400
    assert all(len(users) == 1 for users in sessions.values())


def test_every_event_says_device_and_country(events: list[Interaction]) -> None:
    assert {tuple(sorted(event.context)) for event in events} == {("country", "device")}
    countries = defaultdict(set)
    for event in events:
        countries[event.user_id].add(event.context["country"])
    assert all(len(found) == 1 for found in countries.values())
