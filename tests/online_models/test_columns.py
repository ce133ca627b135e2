"""Whoever writes vectors, a search by the copy finds what the vectors themselves say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models import index
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
        self.state.popularity.counts.array[: ITEMS // 2] = 1
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
        best = np.argsort(-scores, kind="stable")[:5]
        assert self.state.index.search(query, 5, size).tolist() == best.tolist()


WAYS = ("put", "train", "evict", "follow", "grow", "scale", "draw_a_graph")


@pytest.fixture(autouse=True, scope="module")
def all_catalogues_are_large() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "MANY", 1)
        yield


@pytest.mark.parametrize("way", WAYS)
def test_what_was_written_in_any_way_is_found(way: str) -> None:
    written = Written(copied=True)
    before = written.vectors.array.copy()
    getattr(written, way)(3)
    after = written.vectors.array
    assert way == "draw_a_graph" or not np.array_equal(before, after)
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


def test_only_what_is_stale_is_copied_again() -> None:
    table = Table("vectors", (2,))
    table.grow(4)
    columns, query = Columns(table), np.array([1, 10], dtype=np.float32)
    table.array[:] = [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert columns.product(query, 3).tolist() == [21, 43, 65]
    table.array[:] = 0
    table.mark(1)
    assert columns.product(query, 3).tolist() == [21, 0, 65]
    assert columns.product(query, 4).tolist() == [21, 0, 65, 0], "the last one is new"
    table.mark_all()
    assert columns.product(query, 3).tolist() == [0, 0, 0]


def test_a_forgotten_copy_is_made_anew() -> None:
    table = Table("vectors", (2,))
    table.grow(4)
    columns, query = Columns(table), np.ones(2, dtype=np.float32)
    assert columns.product(query, 4).tolist() == [0, 0, 0, 0]
    columns.forget()
    assert table.stale is None
    table.array[2] = 1
    assert columns.product(query, 4).tolist() == [0, 0, 2, 0]


def test_rows_that_a_table_grew_by_are_in_the_copy() -> None:
    table = Table("vectors", (2,))
    table.grow(2)
    columns, query = Columns(table), np.ones(2, dtype=np.float32)
    assert columns.product(query, 2).tolist() == [0, 0]
    table.grow(4)
    assert columns.product(query, 3).tolist() == [0, 0, 0]
    table.array[[1, 3]] = 1
    table.mark(np.array([1, 3]))
    assert columns.product(query, 4).tolist() == [0, 2, 0, 2]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6))
def test_more_rows_than_there_was_room_for_are_in_the_copy(sizes: list[int]) -> None:
    table = Table("vectors", (2,))
    table.grow(300)
    table.array[:, 0] = np.arange(300)
    columns, query = Columns(table), np.array([1, 0], dtype=np.float32)
    for size in sizes:
        assert columns.product(query, size).tolist() == list(range(size))
