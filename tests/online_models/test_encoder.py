from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models.encoder import Encoder

NOWHERE = np.zeros(0, dtype=np.int64)


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.exp(logits) / np.exp(logits).sum()


def encoder() -> Encoder:
    made = Encoder(4, window=3, contexts=5)
    for table in made.tables:
        table.grow(10)
    for row in range(10):
        made.welcome(row, np.random.default_rng(row))
    return made


def test_a_query_is_the_history_weighed_by_place_and_1_for_the_bias() -> None:
    made = encoder()
    rows, earlier = [3, 1, 2], [5, 9]
    slow, fast, long = (softmax(-slope * np.arange(3)) for slope in (0.1, 1.0, 0.1))
    wanted = slow @ made.input.array[rows, 0] + fast @ made.input.array[rows, 1]
    alone = made.query(np.array(rows), NOWHERE, NOWHERE)
    np.testing.assert_allclose(alone, [*wanted, 1], rtol=1e-5)
    wanted += softmax(np.log(long[:2])) @ made.input.array[earlier, 0]
    known = made.query(np.array(rows), np.array(earlier), NOWHERE)
    np.testing.assert_allclose(known, [*wanted, 1], rtol=1e-5)


def test_what_other_units_add_to_a_score_is_the_sum_of_their_items_parts() -> None:
    made, earlier = encoder(), np.array([5, 9])
    parts = made.parts(earlier, 4)
    assert parts.shape == (2,)
    queries = [made.query(np.array([3]), rows, NOWHERE) for rows in (earlier, NOWHERE)]
    known, alone = (made.scores(query, np.array([4]))[0] for query in queries)
    np.testing.assert_allclose(parts.sum(), known - alone, rtol=1e-4)
    assert not len(made.parts(NOWHERE, 4))


def test_what_lies_beyond_the_window_is_not_read() -> None:
    made = encoder()
    np.testing.assert_array_equal(
        made.query(np.array([3, 1, 2]), np.array([4, 5, 6]), NOWHERE),
        made.query(np.array([3, 1, 2, 7, 8]), np.array([4, 5, 6, 0]), NOWHERE),
    )


def test_a_score_is_the_product_and_the_bias() -> None:
    made = encoder()
    made.output.array[5, -1] = 3
    query = made.query(np.array([1]), NOWHERE, NOWHERE)
    wanted = made.output.array[5, :-1] @ made.input.array[1].sum(axis=0) + 3
    np.testing.assert_allclose(made.scores(query, np.array([5])), [wanted], rtol=1e-5)


def test_values_of_the_context_shift_the_query() -> None:
    made = encoder()
    made.context.array[2:4] = [[1, 0, 0, 2], [0, 3, 0, 0]]
    plain = made.query(np.array([1]), NOWHERE, NOWHERE)
    shifted = made.query(np.array([1]), NOWHERE, np.array([2, 3]))
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
