from __future__ import annotations

import numpy as np
import pytest

from online_models.agreed import ESTABLISHED
from online_models.index import MOST_BESIDE, ItemIndex, build_graph
from online_models.index_upkeep import IndexUpkeep
from online_models.popularity import Popularity
from online_models.state import ModelState
from online_models.tables import Table
from schemas.model_log import Admit, Evict, Graph
from tests.builders import small

SIZE, WIDTH = 3_000, 9


def clustered(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((30, WIDTH))
    vectors = centres[rng.integers(30, size=SIZE)] + 0.4 * rng.standard_normal((SIZE, WIDTH))
    return vectors.astype(np.float32)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return build_graph(clustered(), np.arange(SIZE))


def popular(rows: int, room: int) -> Popularity:
    """Return the counts of so many established rows."""
    popularity = Popularity([np.inf])
    popularity.counts.grow(room)
    popularity.counts.array[:rows] = ESTABLISHED
    popularity.touch(np.arange(room))
    return popularity


def index(
    entry: Graph | None,
    *,
    exact_up_to: int = 100,
    rows: int = SIZE,
    room: int = SIZE + 50,
) -> ItemIndex:
    table = Table("vectors", (WIDTH,))
    table.grow(room)
    table.array[:SIZE] = clustered()
    made = ItemIndex(table, popular(rows, room), exact_up_to=exact_up_to, depth=300)
    if entry is not None:
        made.apply(entry)
    return made


def queries(n: int = 40) -> np.ndarray:
    return np.random.default_rng(9).standard_normal((n, WIDTH)).astype(np.float32)


def test_exact_search_is_exact() -> None:
    made = index(None)
    for query in queries(5):
        wanted = np.argsort(-(clustered() @ query), kind="stable")[:20]
        assert made.search(query, 20, SIZE).tolist() == wanted.tolist()


@pytest.mark.parametrize("count", [1, 20, 100])
@pytest.mark.parametrize("share", [0.02, 0.6, 1.0])
def test_exact_search_finds_the_best_of_those_that_may_be_found(share: float, count: int) -> None:
    made, rng = index(None), np.random.default_rng(5)
    among = rng.random(SIZE + 50) < share
    for query in queries(3):
        scores = np.where(among[:SIZE], clustered() @ query, -np.inf)
        wanted = np.argsort(-scores, kind="stable")[: min(count, int(among[:SIZE].sum()))]
        assert made.search(query, count, SIZE, among=among).tolist() == wanted.tolist()


def test_of_many_that_tie_the_lowest_rows_are_found() -> None:
    made = index(None)
    made.vectors.array[:] = 0
    made.vectors.array[100:2_000, 0] = 1
    assert made.search(np.ones(WIDTH, np.float32), 15, SIZE).tolist() == list(range(100, 115))


def test_ties_go_to_the_lower_row() -> None:
    made = index(None, rows=50)
    made.vectors.array[:] = 0
    made.vectors.array[[7, 3], 0] = 1
    assert made.search(np.ones(WIDTH, np.float32), 5, 50).tolist() == [3, 7, 0, 1, 2]


def test_equal_vectors_tie_wherever_they_stand() -> None:
    """A product may add up the last few rows in another order than the rest."""
    table, rng = Table("vectors", (97,)), np.random.default_rng(2)
    table.grow(60)
    for size in range(40, 60):
        made = ItemIndex(table, popular(size, 60))
        vector, query = rng.standard_normal((2, 97), dtype=np.float32)
        table.array[:] = vector
        table.mark_all()
        assert made.search(query, 30, size).tolist() == list(range(30))


def test_fewer_rows_than_asked_for_are_all_found() -> None:
    assert sorted(index(None, rows=4).search(queries(1)[0], 10, 4).tolist()) == [0, 1, 2, 3]
    assert index(None, rows=0).search(queries(1)[0], 10, 0).tolist() == []


def test_rows_of_nan_vectors_come_last() -> None:
    many, few = index(None), index(None, rows=10)
    many.vectors.array[5] = few.vectors.array[5] = np.nan
    assert 5 not in many.search(queries(1)[0], 20, SIZE)
    assert few.search(queries(1)[0], 20, 10).tolist()[-1] == 5


def test_graph_finds_nearly_all_that_exact_search_finds(graph: Graph) -> None:
    approximate, exact = index(graph), index(None)
    found = [
        len(np.intersect1d(approximate.search(q, 50, SIZE), exact.search(q, 50, SIZE))) / 50
        for q in queries()
    ]
    assert np.mean(found) >= 0.98


def test_scores_are_those_of_the_live_vectors(graph: Graph) -> None:
    made, query = index(graph), queries(1)[0]
    best = made.search(query, 10, SIZE)
    made.vectors.array[best[3]] += query
    assert made.search(query, 10, SIZE)[0] == best[3]


def test_small_catalogues_take_no_graph(graph: Graph) -> None:
    one, other = index(graph, exact_up_to=SIZE), index(None)
    for query in queries(5):
        assert one.search(query, 20, SIZE).tolist() == other.search(query, 20, SIZE).tolist()


def test_rows_that_the_graph_lacks_are_found_at_once(graph: Graph) -> None:
    made, query = index(graph, rows=SIZE + 1), queries(1)[0]
    made.vectors.array[SIZE] = 10 * query
    assert made.search(query, 5, SIZE + 1)[0] == SIZE


def test_a_row_that_changed_hands_is_found_by_its_new_vector(graph: Graph) -> None:
    made, query = index(graph), queries(1)[0]
    worst = made.search(query, SIZE, SIZE)[-1]
    made.forget(np.array([worst]))
    made.vectors.array[worst] = 10 * query
    assert made.search(query, 5, SIZE)[0] == worst


def test_a_snapshot_says_which_rows_the_graph_still_stands_for(graph: Graph) -> None:
    made = index(graph)
    made.forget(np.array([3, 5]))
    assert made.graph is not None
    other = index(made.graph)
    assert np.array_equal(other._in_graph, made._in_graph)
    assert not other._in_graph[[3, 5]].any()


def test_a_graph_whose_rows_all_changed_hands_still_loads(graph: Graph) -> None:
    made = index(graph)
    made.forget(np.arange(SIZE))
    assert made.graph is not None
    assert len(index(made.graph).search(queries(1)[0], 5, SIZE)) == 5


def test_equal_vectors_give_equal_graphs() -> None:
    rows = np.arange(0, 400, 2)
    assert build_graph(clustered()[rows], rows) == build_graph(clustered()[rows], rows)


def test_a_graph_that_cannot_reach_enough_rows_is_passed_by() -> None:
    """Of many equal vectors a graph links a few; the search must not fail on it."""
    vectors = np.zeros((SIZE, WIDTH), dtype=np.float32)
    vectors[:, 0] = np.repeat([0.0, 1.0, 50.0], SIZE // 3)
    made = index(build_graph(vectors, np.arange(SIZE), links=2, breadth=2))
    made.vectors.array[:SIZE] = vectors
    with pytest.raises(RuntimeError, match="contiguous 2D array"):
        made._graph.knn_query(queries(1)[0], k=SIZE)  # type: ignore[union-attr]
    query = np.eye(WIDTH, dtype=np.float32)[0]
    assert (made.search(query, SIZE // 3, SIZE) >= 2 * SIZE // 3).all()


def test_a_graph_is_due_when_there_is_none_or_vectors_moved(graph: Graph) -> None:
    made = index(graph)
    assert index(None).outdated(SIZE)
    assert not index(None, exact_up_to=SIZE).outdated(SIZE)
    assert not index(None, rows=0).outdated(SIZE), "of nobody there is no graph"
    assert not made.outdated(SIZE)
    made.vectors.array[:SIZE] += np.random.default_rng(1).standard_normal((SIZE, WIDTH))
    assert made.outdated(SIZE)


def test_a_graph_is_due_when_too_many_rows_are_not_in_it(graph: Graph) -> None:
    def due(rows: int, *, exact_up_to: int = 100, size: int = 200_000) -> bool:
        made = index(graph, exact_up_to=exact_up_to, rows=rows, room=SIZE + 2 * MOST_BESIDE)
        return made.outdated(size)

    assert not due(SIZE + 50)
    assert due(SIZE + 51)
    assert not due(SIZE), "rows of few events need no graph"
    assert not due(SIZE + MOST_BESIDE, exact_up_to=100_000)
    assert due(SIZE + MOST_BESIDE + 1, exact_up_to=100_000)


def filled(rows: int) -> ModelState:
    state = ModelState(small(exact_up_to=50))
    state.apply(Admit(tuple(range(rows)), tuple(f"i{n}" for n in range(rows))))
    for row in range(rows):
        state.encoder.welcome(row, np.random.default_rng(row))
        state.items.first_seen_ms.array[row] = 1_000 + row
    state.popularity.counts.array[:rows] = ESTABLISHED
    state.popularity.touch_all()
    return state


def held(entry: object) -> list[int]:
    assert isinstance(entry, Graph)
    return np.frombuffer(entry.rows, "<i8").tolist()


def test_a_graph_holds_rows_of_established_items_only() -> None:
    state = filled(80)
    state.apply(Evict((3, 7)))
    state.apply(Admit((7,), ("new",)))
    (entry,) = IndexUpkeep(state, background=False).check()
    assert held(entry) == [row for row in range(80) if row not in (3, 7)]


@pytest.mark.parametrize("drawn", [True, False])
def test_only_established_rows_are_found(drawn: bool, graph: Graph) -> None:
    made, query = index(graph if drawn else None), queries(1)[0]
    popularity, best = made._popularity, made.search(query, 20, SIZE)
    popularity.counts.array[best[:5]] = ESTABLISHED - 1
    popularity.touch(best[:5])
    assert made.search(query, 15, SIZE).tolist() == best[5:].tolist()
    popularity.counts.array[best[1]] += 1
    popularity.touch(best[1:2])
    assert made.search(query, 16, SIZE).tolist() == [best[1], *best[5:]]


def test_rows_may_be_found_by_the_graph_before_they_are_established(graph: Graph) -> None:
    made, query = index(graph), queries(1)[0]
    made.vectors.array[[SIZE, SIZE + 1]] = 10 * query
    assert made.search(query, 5, SIZE + 2, also=np.array([SIZE + 1]))[0] == SIZE + 1


def test_rows_that_change_hands_while_a_graph_is_built_are_not_in_it() -> None:
    state = filled(80)
    upkeep = IndexUpkeep(state, background=True)
    assert upkeep.check() == []
    state.apply(Evict((3, 7)))
    state.apply(Admit((7,), ("new",)))
    state.items.first_seen_ms.array[7] = 5_000
    assert upkeep._building is not None
    upkeep._building.result()
    (entry,) = upkeep.check()
    assert held(entry) == [row for row in range(80) if row not in (3, 7)]
    assert not state.index._in_graph[[3, 7]].any()
    assert upkeep._building is None


def test_no_graph_is_built_for_few_items_nor_between_checks() -> None:
    assert IndexUpkeep(filled(40), background=False).check() == []
    state = filled(80)
    upkeep = IndexUpkeep(state, background=False, every=7)
    state.progress = type(state.progress)(step=6)
    assert upkeep.check() == []
    state.progress = type(state.progress)(step=7)
    assert len(upkeep.check()) == 1
    assert upkeep.check() == []
