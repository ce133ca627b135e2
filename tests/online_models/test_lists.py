from __future__ import annotations

import numpy as np

from online_models.lists import GrowingLists


def made(n: int) -> np.ndarray:
    return np.full((1 + n % 3, 2), n, dtype=np.float32)


def test_lists_keep_their_features_as_the_room_grows() -> None:
    lists = GrowingLists(2)
    for n in range(40):
        lists.append(made(n), n % 2, n / 2)
    assert len(lists) == 40
    part = lists.part(10, 13)
    assert part.lengths.tolist() == [2, 3, 1]
    assert part.features.tolist() == np.concatenate([made(n) for n in (10, 11, 12)]).tolist()
    assert part.places.tolist() == [0, 1, 0]
    assert part.weights.tolist() == [5.0, 5.5, 6.0]


def test_what_was_written_and_not_added_is_overwritten() -> None:
    lists = GrowingLists(2)
    lists.room(5)[:] = 9
    lists.room(2)[:] = 1
    lists.add(2, 0, 1.0)
    lists.append(made(2), 0, 1.0)
    assert lists.part(0, 2).features[:, 0].tolist() == [1, 1, 2, 2, 2]


def test_cleared_lists_leave_nothing() -> None:
    lists = GrowingLists(2)
    lists.append(made(1), 0, 1.0)
    lists.clear()
    assert len(lists) == 0
    lists.append(made(0), 0, 2.0)
    assert lists.part(0, 1).features.tolist() == [[0, 0]]
