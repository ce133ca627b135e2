from __future__ import annotations

import numpy as np
import pytest

from online_models.lists import GrowingLists, Lists
from online_models.ranker import Ranker
from online_models.ranker_training import BETA_1, WHOLE, RankerTrainer

RNG = np.random.default_rng(0)
MADE = 6 * [  # a whole step
    (RNG.standard_normal((n, 5)).astype(np.float32), place, weight)
    for n, place, weight in [(4, 0, 1.0), (7, 6, 5.0), (1, 0, 0.3)]
]


def gathered(made: list[tuple[np.ndarray, int, float]]) -> Lists:
    growing = GrowingLists(5)
    for one in made:
        growing.append(*one)
    return growing.part(0, len(made))


LISTS = gathered(MADE)


def made() -> RankerTrainer:
    ranker = Ranker(np.full(5, 0.2, dtype=np.float32), hidden=3, seed=1)
    ranker.trained.array[-3:] = [0.5, -0.4, 0.3]
    return RankerTrainer(ranker)


def loss(ranker: Ranker, parameters: np.ndarray, norms: np.ndarray) -> float:
    """The weighted loss, written out in double precision."""
    flat = parameters.astype(np.float64)
    linear, hidden, biases, out = ranker.parts(flat)
    total = 0.0
    for features, place, weight in MADE:
        z = np.clip((features - norms[0]) / np.sqrt(norms[1] + 1e-6), -6, 6)
        scores = z @ linear + np.maximum(z @ hidden + biases, 0) @ out
        total += weight * (np.log(np.exp(scores).sum()) - scores[place])
    return float(total / LISTS.weights.sum())


def test_gradients_equal_finite_differences() -> None:
    trainer = made()
    before = trainer.ranker.trained.array.copy()
    trainer.learn(LISTS)
    gradient = trainer.ranker.moments.array[0] / (1 - BETA_1)
    norms = trainer.ranker.norms.array.astype(np.float64)
    for at in range(len(before)):
        up, down = before.astype(np.float64), before.astype(np.float64)
        up[at] += 1e-5
        down[at] -= 1e-5
        wanted = (loss(trainer.ranker, up, norms) - loss(trainer.ranker, down, norms)) / 2e-5
        assert gradient[at] == pytest.approx(wanted, rel=1e-3, abs=1e-5), at


def test_a_step_is_adams() -> None:
    trainer = made()
    before = trainer.ranker.trained.array.copy()
    trainer.learn(LISTS)
    gradient = trainer.ranker.moments.array[0] / (1 - BETA_1)
    moved = gradient / (np.abs(gradient) + 1e-8) * trainer.learning_rate
    np.testing.assert_allclose(trainer.ranker.trained.array, before - moved, atol=8e-6)


def test_a_step_for_one_list_is_a_share_of_one() -> None:
    trainer, share = made(), 1 / WHOLE
    ranker = trainer.ranker
    trained, mean = ranker.trained.array.copy(), ranker.parameters.array.copy()
    trainer.learn(gathered(MADE[:1]))
    believed = ranker.moments.array[0] / (1 - BETA_1**share)
    moved = believed / (np.abs(believed) + 1e-8) * trainer.learning_rate * share**0.5
    np.testing.assert_allclose(ranker.trained.array, trained - moved, atol=8e-6)
    mean += share * 9 / (10 + share) * (ranker.trained.array - mean)
    np.testing.assert_allclose(ranker.parameters.array, mean, atol=1e-6)


def test_what_ranks_is_the_mean_of_the_last_steps() -> None:
    trainer = made()
    ranker = trainer.ranker
    mean = ranker.parameters.array.astype(np.float64)
    for step in range(1, 41):
        trainer.learn(LISTS)
        mean += 9 / (10 + step) * (ranker.trained.array - mean)
    np.testing.assert_allclose(ranker.parameters.array, mean, atol=1e-4)
    ranker.steps.array[0] = 10**6
    before = ranker.parameters.array.copy()
    trainer.learn(LISTS)
    moved = before + 0.01 * (ranker.trained.array - before)
    np.testing.assert_allclose(ranker.parameters.array, moved, atol=1e-6)


def test_steps_lower_the_loss() -> None:
    trainer = made()
    first = trainer.learn(LISTS)
    for _ in range(300):
        last = trainer.learn(LISTS)
    assert last < 0.6 * first


def test_the_first_lists_set_the_norms_and_later_ones_move_them_slowly() -> None:
    trainer = made()
    trainer.learn(LISTS)
    features = LISTS.features
    norms = trainer.ranker.norms.array
    np.testing.assert_allclose(norms[0], features.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(norms[1], features.var(axis=0), rtol=1e-4)
    trainer.ranker.steps.array[0] = 10**6
    trainer.learn(gathered([(features + 1_000, 0, 1.0)]))
    np.testing.assert_allclose(norms[0], features.mean(axis=0) + 1 / WHOLE, rtol=1e-3)


def test_steps_of_few_lists_learn_as_well_as_those_of_many() -> None:
    rng = np.random.default_rng(3)
    taste = np.array([2.0, -1.0, 0.5, 0.0, 0.0])

    def drawn(count: int) -> list[tuple[np.ndarray, int, float]]:
        lists = [rng.standard_normal((12, 5)).astype(np.float32) for _ in range(count)]
        return [(one, int(np.argmax(one @ taste + rng.gumbel(size=12))), 1.0) for one in lists]

    taught, asked = drawn(3_200), drawn(400)

    def lost(lists_a_step: int) -> float:
        trainer, total = made(), 0.0
        for start in range(0, len(taught), lists_a_step):
            trainer.learn(gathered(taught[start : start + lists_a_step]))
        for features, place, _ in asked:
            scores = trainer.ranker.scores(features).astype(np.float64)
            total += np.log(np.exp(scores).sum()) - scores[place]
        return total / len(asked)

    assert max(lost(1), lost(4)) < 1.002 * lost(WHOLE)


def test_all_that_changed_is_marked() -> None:
    trainer = made()
    for table in trainer.ranker.tables:
        list(table.collect())
    trainer.learn(LISTS)
    assert all(table.dirty.all() for table in trainer.ranker.tables)
