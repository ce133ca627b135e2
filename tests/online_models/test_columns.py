"""Whoever writes vectors, a search by the copy finds what the vectors themselves say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models.agreed import ESTABLISHED
from online_models.columns import Columns
from online_models.encoder import PARTS
from online_models.encoder_training import EncoderTrainer
from online_models.index import build_graph
from online_models.newcomers import Newcomers
from online_models.state import ModelState
from online_models.tables import Table
from schemas.events import ItemUpdate
from schemas.model_log import Admit, Describe, Evict, Put, Scale
from tests.builders import small

ITEMS = 40


class Written:
    """A model whose vectors are written in every way there is."""

    def __init__(self, *, copied: bool) -> None:
        self.state = ModelState(small(exact_up_to=10**9))
        self.trainer = EncoderTrainer(self.state.encoder, negatives=8)
        self.state.apply(Admit(tuple(range(ITEMS)), tuple(f"i{n}" for n in range(ITEMS))))
        for row in range(ITEMS):
            self.welcome(row)
        self.state.popularity.counts.array[: ITEMS // 2] = ESTABLISHED
        self.state.popularity.touch_all()
        if copied:
            self.check(0)

    @property
    def vectors(self) -> Table:
        return self.state.encoder.output

    def welcome(self, row: int) -> None:
        self.state.encoder.welcome(row, np.random.default_rng(row))

    def put(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        rows = rng.choice(ITEMS, 3, replace=False)
        values = rng.standard_normal((3, self.vectors.array.shape[1]), dtype=np.float32)
        self.state.apply(Put(self.vectors.name, rows.astype("<i8").tobytes(), values.tobytes()))

    def train(self, seed: int) -> None:
        targets = np.random.default_rng(seed).integers(0, ITEMS, 2)
        histories = np.full((2, PARTS, 3), -1)
        histories[:, 0, 0] = targets[::-1]
        weights, contexts = np.ones(2, np.float32), np.full((2, 1), -1)
        size = self.state.items.size
        self.trainer.learn(targets, histories, weights, contexts=contexts, size=size, step=seed)

    def evict(self, seed: int) -> None:
        row = seed % ITEMS
        item_id = self.state.items.id_of(row)
        self.state.apply(Evict((row,)))
        self.state.apply(Admit((row,), (item_id,)))

    def follow(self, seed: int) -> None:
        newcomers, row = Newcomers(self.state), ITEMS // 2 + seed % (ITEMS // 2)
        for described in (seed % (ITEMS // 2), row):
            item_id = self.state.items.id_of(described)
            self.state.apply(Describe((ItemUpdate(item_id=item_id, title="red shoes"),)))
            newcomers.describe(described)

    def grow(self, seed: int) -> None:
        row = self.state.items.size
        self.state.reserve(len(self.vectors.array) + 1)
        self.state.apply(Admit((row,), (f"more{row}",)))
        if seed % 2:
            self.welcome(row)

    def establish(self, seed: int) -> None:
        counts, rows = self.state.popularity.counts, np.array([seed % ITEMS])
        values = np.full((1, counts.array.shape[1]), seed % (2 * ESTABLISHED), dtype=np.float32)
        self.state.apply(Put(counts.name, rows.astype("<i8").tobytes(), values.tobytes()))

    def fade(self, seed: int) -> None:
        counts = self.state.popularity.counts
        self.state.apply(Scale(counts.name, counts.array.shape[1] - 1, 1))

    def scale(self, seed: int) -> None:
        self.state.apply(Scale(self.vectors.name, seed % self.vectors.array.shape[1], 1))

    def draw_a_graph(self, seed: int) -> None:
        rows = np.arange(ITEMS)
        self.state.apply(build_graph(self.vectors.array[rows], rows, step=seed))

    def check(self, seed: int) -> None:
        size = self.state.items.size
        query = np.random.default_rng(seed).standard_normal(self.vectors.array.shape[1])
        query = query.astype(np.float32)
        scores = np.einsum("nd,d->n", self.vectors.array[:size], query)
        scores[self.state.popularity.counts.array[:size, -1] < ESTABLISHED] = -np.inf
        best = np.argsort(-scores, kind="stable")[:5]
        best = best[np.isfinite(scores[best])]
        assert self.state.index.search(query, 5).tolist() == best.tolist()


WAYS = ("put", "train", "evict", "follow", "grow", "establish", "fade", "scale", "draw_a_graph")


@pytest.mark.parametrize("way", WAYS)
def test_what_was_written_in_any_way_is_found(way: str) -> None:
    written = Written(copied=True)
    before = written.vectors.array.copy()
    getattr(written, way)(3)
    after = written.vectors.array
    assert way in {"draw_a_graph", "establish", "fade"} or not np.array_equal(before, after)
    for seed in range(5):
        written.check(seed)


@settings(max_examples=60, deadline=None)
@given(
    st.booleans(),
    st.lists(st.tuples(st.sampled_from((*WAYS, "check")), st.integers(0, 10**6)), max_size=20),
)
def test_no_sequence_of_writes_leaves_a_stale_copy(
    copied: bool, writes: list[tuple[str, int]]
) -> None:
    written = Written(copied=copied)
    for way, seed in writes:
        getattr(written, way)(seed)
    for seed in range(3):
        written.check(seed)


def made(rows: int) -> Columns:
    table = Table("vectors", (2,))
    table.grow(rows)
    return Columns(table)


def sums(columns: Columns, wanted: list[int], changes: int = 0) -> dict[int, float]:
    """Return the sum of each wanted row's vector, as the copy has it."""
    columns.refresh(np.isin(np.arange(len(columns.vectors.array)), wanted), changes)
    products = columns.product(np.ones(2, dtype=np.float32))
    assert len(columns.rows) == len(products)
    return dict(zip(columns.rows.tolist(), products.tolist(), strict=True))


def test_only_what_is_stale_or_new_is_copied_again() -> None:
    columns = made(4)
    table = columns.vectors
    table.array[:] = [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert sums(columns, [0, 1, 2]) == {0: 3, 1: 7, 2: 11}
    table.array[:] = 0
    table.mark(1)
    assert sums(columns, [0, 1, 2]) == {0: 3, 1: 0, 2: 11}
    assert sums(columns, [0, 1, 2, 3], changes=1) == {0: 3, 1: 0, 2: 11, 3: 0}
    table.mark_all()
    assert sums(columns, [0, 1, 2]) == {0: 0, 1: 0, 2: 0}


def test_rows_that_are_wanted_no_more_are_not_in_the_copy() -> None:
    columns = made(4)
    columns.vectors.array[:, 0] = [1, 2, 3, 4]
    assert sums(columns, [0, 1, 3]) == {0: 1, 1: 2, 3: 4}
    assert sums(columns, [0, 2, 3], changes=1) == {0: 1, 2: 3, 3: 4}


def test_several_queries_meet_all_columns_at_once() -> None:
    columns = made(3)
    columns.vectors.array[:] = [[1, 2], [3, 4], [5, 6]]
    columns.refresh(np.array([True, False, True]), 0)
    queries = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)
    assert columns.product(queries).tolist() == [[1, 5], [2, 6], [3, 11]]


def test_a_forgotten_copy_is_made_anew() -> None:
    columns = made(4)
    assert sums(columns, [1, 2]) == {1: 0, 2: 0}
    columns.forget()
    assert columns.vectors.stale is None
    assert columns.product(np.ones(0, dtype=np.float32)).tolist() == []
    columns.vectors.array[2, 0] = 1
    assert sums(columns, [1, 2]) == {1: 0, 2: 1}


def test_rows_that_a_table_grew_by_are_in_the_copy() -> None:
    columns = made(2)
    assert sums(columns, [0, 1]) == {0: 0, 1: 0}
    columns.vectors.grow(4)
    assert sums(columns, [0, 1, 2]) == {0: 0, 1: 0, 2: 0}
    columns.vectors.array[[1, 3]] = 1
    columns.vectors.mark(np.array([1, 3]))
    assert sums(columns, [0, 1, 2, 3], changes=1) == {0: 0, 1: 2, 2: 0, 3: 2}


@given(
    st.lists(st.sets(st.integers(0, 99), max_size=100), min_size=1, max_size=8),
    st.lists(st.integers(0, 99), max_size=8),
)
def test_whatever_is_wanted_is_in_the_copy(wanted: list[set[int]], written: list[int]) -> None:
    columns = made(100)
    vectors = columns.vectors
    vectors.array[:, 0] = np.arange(100)
    for changes, rows in enumerate(wanted):
        for row in written[changes : changes + 1]:
            vectors.array[row, 1] += 1_000
            vectors.mark(row)
        held = sorted(rows)
        told = {row: float(vectors.array[row].sum()) for row in held}
        assert sums(columns, held, changes) == told
