from __future__ import annotations

import numpy as np

from online_models.encoder import Encoder


def encoder() -> Encoder:
    made = Encoder(4, window=3)
    for table in made.tables:
        table.grow(10)
    for row in range(10):
        made.welcome(row, np.random.default_rng(row))
    return made


def test_a_query_is_the_history_weighed_by_place_and_1_for_the_bias() -> None:
    made = encoder()
    attention = np.exp([0, -0.3, -0.6]) / np.exp([0, -0.3, -0.6]).sum()
    wanted = attention @ made.input.array[[3, 1, 2]]
    np.testing.assert_allclose(made.query(np.array([3, 1, 2])), [*wanted, 1], rtol=1e-5)


def test_what_lies_beyond_the_window_is_not_read() -> None:
    made = encoder()
    np.testing.assert_array_equal(
        made.query(np.array([3, 1, 2])), made.query(np.array([3, 1, 2, 7, 8]))
    )


def test_a_score_is_the_product_and_the_bias() -> None:
    made = encoder()
    made.output.array[5, -1] = 3
    query = made.query(np.array([1]))
    wanted = made.output.array[5, :-1] @ made.input.array[1] + 3
    np.testing.assert_allclose(made.scores(query, np.array([5])), [wanted], rtol=1e-5)


def test_forgotten_rows_are_drawn_no_more() -> None:
    made = encoder()
    made.recent.array[:4] = [1, 2, 1, 3]
    made.forget(np.array([1]))
    assert made.recent.array[:5].tolist() == [-1, 2, -1, 3, -1]
