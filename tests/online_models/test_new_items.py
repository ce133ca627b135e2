"""An item that the catalogue describes is recommended to whom it suits, before its first event.

The stream is planted: sessions stay with one of four tastes, and each taste has thirty items that
the catalogue tells it of, by an attribute: of a category slates would take a limited share. Nothing
explores here, and no rule moves anything.
"""

from __future__ import annotations

import numpy as np
import pytest

from online_models.explaining.explanation import explain
from online_models.learner import Learner
from online_models.recommender import Recommender
from online_models.state import ModelState
from schemas.events import ItemUpdate
from schemas.examples import Query
from schemas.slate_rules import SlateRules
from tests.builders import START_MS, Stream, differences, learner, logged, over_the_wire, reload

TASTES, ITEMS, EVENTS, LENGTH = 4, 30, 3_000, 6
NEW = ItemUpdate(item_id="new", title="Brand new", attributes={"taste": 2})


def described() -> list[tuple[int, ItemUpdate]]:
    return [
        (0, ItemUpdate(item_id=f"t{t}-{n}", attributes={"taste": t}, title=f"Thing {n} of it"))
        for t in range(TASTES)
        for n in range(ITEMS)
    ]


def planted() -> Stream:
    """Return sessions of one taste each, but for one event in ten; some items come more often."""
    rng, stream, taste = np.random.default_rng(0), Stream(excludes=True), 0
    odds = 1 / np.sqrt(1 + np.arange(ITEMS))
    for n in range(EVENTS):
        if n % LENGTH == 0:
            taste = int(rng.integers(TASTES))
        own = taste if rng.random() > 0.1 else int(rng.integers(TASTES))
        item = int(rng.choice(ITEMS, p=odds / odds.sum()))
        stream.add(f"s{n // LENGTH}", f"t{own}-{item}", START_MS + n * 20_000)
    return stream


def taught() -> Learner:
    learning = learner()
    learning.learn_many(planted().examples, updates=described())
    learning.close_micro_batch()
    return learning


KEPT = taught().state


@pytest.fixture
def learning() -> Learner:
    """Return a learner of the planted stream that has just heard of the new item."""
    going_on = Learner(reload(KEPT), micro_batch=16, publish_interval_ms=None)
    going_on.describe(NEW)
    return going_on


def queries(taste: int) -> list[Query]:
    """Return what a few users of a taste ask, who have had three items of it."""
    rng, found = np.random.default_rng(taste), []
    for n in range(12):
        history = tuple(f"t{taste}-{item}" for item in rng.choice(ITEMS, 3, replace=False))
        found.append(Query(f"u{n}", f"u{n}", history=history, seen=history))
    return found


def shown(state: ModelState, query: Query, count: int) -> list[str]:
    return [item.item_id for item in Recommender(state).recommend(query, count).items]


def test_a_new_item_is_in_the_slates_of_its_taste_before_its_first_event(learning: Learner) -> None:
    assert all(NEW.item_id in shown(learning.state, query, 10) for query in queries(2))


@pytest.mark.parametrize("taste", [0, 1, 3])
def test_it_is_in_no_slate_of_another_taste(learning: Learner, taste: int) -> None:
    assert not any(NEW.item_id in shown(learning.state, query, 20) for query in queries(taste))


def test_without_words_it_is_in_nobodys(learning: Learner) -> None:
    learning.describe(ItemUpdate(item_id="bare"))
    assert learning.state.items.row_of("bare") < 0
    assert not any("bare" in shown(learning.state, query, 20) for query in queries(2))


def test_the_catalogue_is_among_the_sources_that_brought_it(learning: Learner) -> None:
    [item] = [
        item
        for item in Recommender(learning.state).recommend(queries(2)[0], 10).items
        if item.item_id == NEW.item_id
    ]
    assert "content" in item.sources


def test_a_replica_that_reads_the_log_gives_the_same_slates(learning: Learner) -> None:
    replica = reload(KEPT, serve_only=True)
    for publish in logged(learning.collect()):
        replica.apply_publish(over_the_wire(publish))
    assert differences(learning.state, replica) == []
    for query in (*queries(1), *queries(2)):
        one, other = (Recommender(state) for state in (learning.state, replica))
        assert one.recommend(query, 20) == other.recommend(query, 20)
    assert NEW.item_id in shown(replica, queries(2)[0], 10)


def test_explain_names_the_source_and_the_words_that_it_shares(learning: Learner) -> None:
    found = explain(Recommender(learning.state), queries(2)[0], NEW.item_id, 10, SlateRules())
    assert found.reason == "shown"
    assert "content" in [word.name for word in found.sources if word.proposed]
    assert [(one.word, one.share) for one in found.words] == [("taste=2", 1.0)]
    assert not found.past_items


def test_one_of_a_restricted_age_stays_away_from_who_tells_none(learning: Learner) -> None:
    learning.describe(ItemUpdate(item_id="new", attributes={"taste": 2}, min_age=18))
    assert not any(NEW.item_id in shown(learning.state, query, 20) for query in queries(2))


def test_once_it_is_sold_out_it_is_shown_no_more(learning: Learner) -> None:
    learning.describe(ItemUpdate(item_id="new", attributes={"taste": 2}, in_stock=False))
    assert not any(NEW.item_id in shown(learning.state, query, 20) for query in queries(2))
