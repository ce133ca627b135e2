from __future__ import annotations

import numpy as np
import pytest

from online_models import tables
from online_models.tables import Table
from schemas.model_log import Put


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def table(**options: object) -> Table:
    made = Table("t", (2,), **options)  # type: ignore[arg-type]
    made.grow(4)
    return made


def test_what_changed_leaves_once_with_absolute_values() -> None:
    one, other = table(), table()
    one.array[2] = [5, 6]
    one.dirty[2] = True
    (entry,) = one.collect()
    assert list(one.collect()) == []
    assert other.put(entry).tolist() == [2]
    np.testing.assert_array_equal(one.array, other.array)


def test_cells_of_two_index_dimensions_are_addressed_flat() -> None:
    one, other = (Table("t", (3, 2), index_dims=2) for _ in range(2))
    one.grow(2)
    other.grow(2)
    one.array[1, 2] = 7
    one.dirty[1, 2] = True
    (entry,) = one.collect()
    assert other.put(entry).tolist() == [5]
    np.testing.assert_array_equal(one.array, other.array)


def test_a_snapshot_leaves_out_what_nobody_wrote() -> None:
    one = table(fill=-1)
    one.array[1] = [-1, 0]
    (entry,) = one.snapshot(4)
    assert np.frombuffer(entry.index, "<i8").tolist() == [1]
    assert list(table(fill=-1).snapshot(4)) == []


def test_a_dense_table_is_in_a_snapshot_whole() -> None:
    dense = Table("t", (3,), by_row=False)
    (entry,) = dense.snapshot(0)
    assert np.frombuffer(entry.index, "<i8").tolist() == [0, 1, 2]


def test_growing_keeps_values_and_marks() -> None:
    one = table()
    one.array[3] = 9
    one.dirty[3] = True
    one.grow(10)
    one.grow(5)
    assert one.array.shape == (10, 2)
    assert one.array[3].tolist() == [9, 9]
    assert np.flatnonzero(one.dirty).tolist() == [3]


def test_a_dense_table_neither_grows_nor_is_reset() -> None:
    dense = Table("t", (3,), by_row=False, fill=1)
    dense.array[1] = 5
    dense.grow(10)
    dense.reset(rows(1))
    assert dense.array.tolist() == [1, 5, 1]


def test_reset_rows_leave_nothing_to_send() -> None:
    one = table(fill=3)
    one.array[1] = 9
    one.dirty[1] = True
    one.reset(rows(1))
    assert one.array[1].tolist() == [3, 3]
    assert not one.dirty.any()


def test_what_was_put_is_not_sent_on() -> None:
    dense = Table("t", (2,), by_row=False)
    dense.mark_all()
    dense.put(Put("t", rows(0, 1).tobytes(), np.ones(2, np.float32).tobytes()))
    assert list(dense.collect()) == []


def test_large_changes_are_cut_into_several_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_PUT_BYTES", 40)
    one, other = table(), table()
    one.array[:] = np.arange(8).reshape(4, 2)
    one.mark_all()
    entries = list(one.collect())
    assert len(entries) == 2
    for entry in entries:
        other.put(entry)
    np.testing.assert_array_equal(one.array, other.array)


def test_an_entry_beyond_the_table_is_refused() -> None:
    entry = Put("t", rows(4).tobytes(), np.zeros(2, np.float32).tobytes())
    with pytest.raises(ValueError, match="table t has 4 cells, entry names more"):
        table().put(entry)


def test_an_entry_of_another_shape_is_refused() -> None:
    entry = Put("t", rows(0).tobytes(), np.zeros(3, np.float32).tobytes())
    with pytest.raises(ValueError, match="cannot reshape"):
        table().put(entry)
