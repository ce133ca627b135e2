"""How likely places are looked at is learnt from choices, and choices count by it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from online_models.examination import FLOOR, PLACES, Examination, Sighting, place_of
from online_models.learner import Learner
from schemas.examples import Feedback
from schemas.slates import Served
from tests.builders import differences, learner, recovered
from tests.online_models.shown import START_MS, WIDTH, label

LOOKED_AT = np.array([1.0, 0.6, 0.4, 0.3, 0.2, 0.15])
USUAL, BETTER, WORSE = 1, 2, 3
CHOSEN = {0: 0.06, USUAL: 0.09, BETTER: 0.14, WORSE: 0.04}
"""How likely an item is chosen that is looked at, by the feature that marks it; 0: others."""


def slate(dice: np.random.Generator) -> list[int]:
    """Return a slate's items: the usual one stands at the top, as a rule, and others below."""
    kinds = [USUAL, 0, 0, BETTER, WORSE, 0]
    if dice.random() < 0.5:
        dice.shuffle(kinds)
    return kinds


def labels(count: int, *, with_places: bool = True, seed: int = 0) -> Iterator[Feedback]:
    """Yield what users choose who look at each place with its own probability."""
    dice, made = np.random.default_rng(seed), 0
    while made < count:
        kinds = slate(dice)
        rates = LOOKED_AT * [CHOSEN[kind] for kind in kinds]
        choices = np.flatnonzero(dice.random(len(kinds)) < rates).tolist()
        if not choices:
            continue
        features = dice.random((len(kinds), WIDTH), dtype=np.float32)
        features[:, 1:4] = np.array(kinds)[:, None] == [USUAL, BETTER, WORSE]
        items = [
            Served(f"i{n}", n if with_places else 0, 1.0, array("f", row.tolist()).tobytes())
            for n, row in enumerate(features)
        ]
        for chosen in choices:
            one = items.pop(chosen - len(kinds) + len(items))
            place = chosen - len(kinds) + len(items) + 1
            beside = (*items[:place], one, *items[place:])
            yield Feedback("ann", f"r{made}", beside, place, 1.0, START_MS, made)
            made += 1


def taught(*, with_places: bool) -> Learner:
    learning = learner(micro_batch=16)
    learning.learn_many([], feedback=list(labels(8_000, with_places=with_places)))
    learning.close_micro_batch()
    return learning


@pytest.fixture(scope="module")
def corrected() -> Learner:
    return taught(with_places=True)


def worth(learning: Learner, kind: int) -> float:
    """Return the mean score of items of a kind that differ in nothing else."""
    features = np.random.default_rng(1).random((200, WIDTH), dtype=np.float32)
    features[:, 1:4] = np.arange(1, 4) == kind
    return float(learning.state.ranker.scores(features).mean())


def test_the_curve_comes_near_to_how_often_users_look(corrected: Learner) -> None:
    curve = corrected.state.examination.curve()
    assert curve[:6] == pytest.approx(LOOKED_AT, abs=0.12)


def test_the_better_item_is_found_though_it_stands_where_few_look(corrected: Learner) -> None:
    assert worth(corrected, BETTER) > worth(corrected, USUAL) > worth(corrected, WORSE)


def test_without_places_the_item_that_stands_at_the_top_is_taken_for_the_better_one() -> None:
    uncorrected = taught(with_places=False)
    assert worth(uncorrected, USUAL) > worth(uncorrected, BETTER)
    assert uncorrected.state.examination.factor(0) == pytest.approx(1.0)


def test_choices_count_one_on_average_and_no_single_one_rules(corrected: Learner) -> None:
    examination = corrected.state.examination
    choices = examination.counts.array[0]
    factors = np.array([examination.factor(place) for place in range(PLACES)])
    assert float(choices @ factors / choices.sum()) == pytest.approx(1.0)
    assert factors.max() <= 1 / FLOOR
    assert factors[0] < factors[3] < factors[5]


def test_places_of_which_nothing_is_known_count_as_looked_at() -> None:
    fresh = Examination()
    assert fresh.curve().tolist() == [1.0] * PLACES
    assert fresh.factor(7) == 1.0


def test_what_lies_beyond_the_places_counts_at_the_last_one() -> None:
    assert [place_of(position) for position in (-3, 0, PLACES - 1, PLACES, 10**9)] == [
        0, 0, PLACES - 1, PLACES - 1, PLACES - 1
    ]  # fmt: skip


def test_what_nobody_looks_at_is_not_held_against_it() -> None:
    learning = learner(micro_batch=4)
    learning.state.examination.counts.array[1, 1] = 10_000.0
    learning.learn_many([], feedback=[label(place=0, items=2)])
    learning.close_micro_batch()
    assert learning.labels == {"learnt": 1}
    assert int(learning.state.ranker.steps.array[0]) == 0
    assert learning.state.examination.counts.array[0, 0] == pytest.approx(1.0, abs=1e-3)


def test_scores_that_are_no_numbers_tell_nothing() -> None:
    examination = Examination()
    scores = np.array([np.nan, 1.0], dtype=np.float32)
    examination.learn([Sighting(np.arange(2), scores, 0)])
    assert examination.curve().tolist() == [1.0] * PLACES


def test_what_is_known_fades() -> None:
    examination = Examination()
    one = Sighting(np.arange(2), np.zeros(2, dtype=np.float32), 1)
    examination.learn([one] * 100)
    assert examination.counts.array[0, 1] == pytest.approx(100, rel=0.01)
    other = msgspec.structs.replace(one, chosen=0)
    for _ in range(100):
        examination.learn([other] * 100)
    assert examination.counts.array[0, 1] == pytest.approx(50, rel=0.01)


def test_the_curve_is_part_of_the_log() -> None:
    learning = learner(micro_batch=16, publish_interval_ms=0)
    publishes = learning.learn_many([], feedback=list(labels(64)), until=64)
    replica = recovered(publishes)
    assert differences(learning.state, replica) == []
    assert replica.examination.curve().tolist() == learning.state.examination.curve().tolist()
