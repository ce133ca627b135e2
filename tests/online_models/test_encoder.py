from __future__ import annotations

import numpy as np

from online_models.encoder import Encoder

NOWHERE = np.zeros(0, dtype=np.int64)


def encoder() -> Encoder:
    made = Encoder(4, window=3, contexts=5)
    for table in made.tables:
        table.grow(10)
    for row in range(10):
        made.welcome(row, np.random.default_rng(row))
    return made


def test_a_query_is_the_history_weighed_by_place_and_1_for_the_bias() -> None:
    made = encoder()
    attention = np.exp([0, -0.3, -0.6]) / np.exp([0, -0.3, -0.6]).sum()
    wanted = attention @ made.input.array[[3, 1, 2]]
    np.testing.assert_allclose(made.query(np.array([3, 1, 2]), NOWHERE), [*wanted, 1], rtol=1e-5)


def test_what_lies_beyond_the_window_is_not_read() -> None:
    made = encoder()
    np.testing.assert_array_equal(
        made.query(np.array([3, 1, 2]), NOWHERE), made.query(np.array([3, 1, 2, 7, 8]), NOWHERE)
    )


def test_a_score_is_the_product_and_the_bias() -> None:
    made = encoder()
    made.output.array[5, -1] = 3
    query = made.query(np.array([1]), NOWHERE)
    wanted = made.output.array[5, :-1] @ made.input.array[1] + 3
    np.testing.assert_allclose(made.scores(query, np.array([5])), [wanted], rtol=1e-5)


def test_values_of_the_context_shift_the_query() -> None:
    made = encoder()
    made.context.array[2:4] = [[1, 0, 0, 2], [0, 3, 0, 0]]
    plain = made.query(np.array([1]), NOWHERE)
    shifted = made.query(np.array([1]), np.array([2, 3]))
    np.testing.assert_allclose(shifted - plain, [1, 3, 0, 2, 0], atol=1e-6)


def test_a_slot_that_stands_for_another_value_starts_afresh() -> None:
    made = encoder()
    made.context.array[2], made.context_energy.array[2] = 1, 1
    made.clear_context(2)
    assert not made.context.array.any()
    assert not made.context_energy.array.any()
    assert np.flatnonzero(made.context.dirty).tolist() == [2]


def test_forgotten_rows_are_drawn_no_more() -> None:
    made = encoder()
    made.recent.array[:4] = [1, 2, 1, 3]
    made.forget(np.array([1]))
    assert made.recent.array[:5].tolist() == [-1, 2, -1, 3, -1]
