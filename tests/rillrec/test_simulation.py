"""The simulated crowd: seeded, with tastes that are planted and shift on cue."""

from collections import Counter
from itertools import islice

import pytest

from rillrec.simulation import TASTES, Click, Simulation, catalogue_updates, event_of


def clicks(simulation: Simulation, count: int) -> list[Click]:
    return list(islice(simulation.clicks(), count))


def test_the_same_seed_gives_the_same_clicks() -> None:
    assert clicks(Simulation(seed=1), 500) == clicks(Simulation(seed=1), 500)
    assert clicks(Simulation(seed=1), 500) != clicks(Simulation(seed=2), 500)


def test_visitors_click_mostly_within_their_taste() -> None:
    crowd = Simulation(seed=0)
    made = clicks(crowd, 5_000)
    loyal = sum(crowd.taste_of(c.item_id) == crowd.likes(c.user_id) for c in made)
    assert 0.88 < loyal / len(made) < 0.95


def test_a_shift_changes_what_every_visitor_likes() -> None:
    crowd = Simulation(visitors=12, seed=0)
    users = [f"visitor-{number:03d}" for number in range(12)]
    before = [crowd.likes(user) for user in users]
    clicks(crowd, 100)
    crowd.shift()
    after = [crowd.likes(user) for user in users]
    assert all(one != other for one, other in zip(before, after, strict=True))
    made = clicks(crowd, 2_000)
    loyal = sum(crowd.taste_of(c.item_id) == crowd.likes(c.user_id) for c in made)
    assert loyal / len(made) > 0.85


def test_items_have_titles_and_every_taste_is_clicked() -> None:
    crowd = Simulation(seed=0)
    assert len({item.title for item in crowd.items}) == len(crowd.items) == 72
    counts = Counter(crowd.taste_of(click.item_id) for click in clicks(crowd, 3_000))
    assert set(counts) == set(TASTES)


def test_the_catalogue_names_every_item() -> None:
    crowd = Simulation(seed=0)
    updates = catalogue_updates(crowd)
    assert [update.item_id for update in updates] == [item.item_id for item in crowd.items]
    assert updates[0].title == "Blue Hour (jazz)"
    assert updates[0].categories == ("jazz",)


def test_a_stranger_has_no_taste() -> None:
    assert Simulation(seed=0).taste_of("nothing of ours") == ""


def test_a_click_becomes_an_event_with_an_id_of_its_own() -> None:
    click = Click("visitor-001", "jazz-01")
    one, other = (event_of(click, number=n, time_ms=1_700_000_000_000) for n in (1, 2))
    assert one.event_id != other.event_id
    assert (one.user_id, one.item_id, one.kind) == ("visitor-001", "jazz-01", "click")


def test_a_crowd_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="visitors is 0, it must be at least 1"):
        Simulation(visitors=0)
