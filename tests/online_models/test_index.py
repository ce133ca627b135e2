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
        assert made.search(query, 20).tolist() == wanted.tolist()


@pytest.mark.parametrize("count", [1, 20, 100])
@pytest.mark.parametrize("share", [0.02, 0.6, 1.0])
def test_exact_search_finds_the_best_of_those_that_may_be_found(share: float, count: int) -> None:
    made, rng = index(None), np.random.default_rng(5)
    among = rng.random(SIZE + 50) < share
    for query in queries(3):
        scores = np.where(among[:SIZE], clustered() @ query, -np.inf)
        wanted = np.argsort(-scores, kind="stable")[: min(count, int(among[:SIZE].sum()))]
        assert made.search(query, count, among=among).tolist() == wanted.tolist()


def test_of_many_that_tie_the_lowest_rows_are_found() -> None:
    made = index(None)
    made.vectors.array[:] = 0
    made.vectors.array[100:2_000, 0] = 1
    assert made.search(np.ones(WIDTH, np.float32), 15).tolist() == list(range(100, 115))


def test_ties_go_to_the_lower_row() -> None:
    made = index(None, rows=50)
    made.vectors.array[:] = 0
    made.vectors.array[[7, 3], 0] = 1
    assert made.search(np.ones(WIDTH, np.float32), 5).tolist() == [3, 7, 0, 1, 2]


def test_equal_vectors_tie_wherever_they_stand() -> None:
    """A product may add up the last few rows in another order than the rest."""
    table, rng = Table("vectors", (97,)), np.random.default_rng(2)
    table.grow(60)
    for size in range(40, 60):
        made = ItemIndex(table, popular(size, 60))
        vector, query = rng.standard_normal((2, 97), dtype=np.float32)
        table.array[:] = vector
        table.mark_all()
        assert made.search(query, 30).tolist() == list(range(30))


def test_fewer_rows_than_asked_for_are_all_found() -> None:
    assert sorted(index(None, rows=4).search(queries(1)[0], 10).tolist()) == [0, 1, 2, 3]
    assert index(None, rows=0).search(queries(1)[0], 10).tolist() == []


def test_rows_of_nan_vectors_come_last() -> None:
    many, few = index(None), index(None, rows=10)
    many.vectors.array[5] = few.vectors.array[5] = np.nan
    assert 5 not in many.search(queries(1)[0], 20)
    assert few.search(queries(1)[0], 20).tolist()[-1] == 5


def test_graph_finds_nearly_all_that_exact_search_finds(graph: Graph) -> None:
    approximate, exact = index(graph), index(None)
    found = [
        len(np.intersect1d(approximate.search(q, 50), exact.search(q, 50))) / 50 for q in queries()
    ]
    assert np.mean(found) >= 0.98


def test_scores_are_those_of_the_live_vectors(graph: Graph) -> None:
    made, query = index(graph), queries(1)[0]
    best = made.search(query, 10)
    made.vectors.array[best[3]] += query
    assert made.search(query, 10)[0] == best[3]


def test_small_catalogues_take_no_graph(graph: Graph) -> None:
    one, other = index(graph, exact_up_to=SIZE), index(None)
    for query in queries(5):
        assert one.search(query, 20).tolist() == other.search(query, 20).tolist()


def test_rows_that_the_graph_lacks_are_found_at_once(graph: Graph) -> None:
    made, query = index(graph, rows=SIZE + 1), queries(1)[0]
    made.vectors.array[SIZE] = 10 * query
    assert made.search(query, 5)[0] == SIZE


def test_a_row_that_changed_hands_is_found_by_its_new_vector(graph: Graph) -> None:
    made, query = index(graph), queries(1)[0]
    worst = made.search(query, SIZE)[-1]
    made.forget(np.array([worst]))
    made.vectors.array[worst] = 10 * query
    assert made.search(query, 5)[0] == worst


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
    assert len(index(made.graph).search(queries(1)[0], 5)) == 5


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
    assert (made.search(query, SIZE // 3) >= 2 * SIZE // 3).all()
    made._popularity.counts.array[-SIZE // 6 :] = 0
    made._popularity.touch_all()
    assert (made._popularity.counts.array[made.search(query, SIZE)] > 0).all()


def test_a_graph_is_due_when_there_is_none_or_vectors_moved(graph: Graph) -> None:
    made = index(graph)
    assert index(None).outdated()
    assert not index(None, exact_up_to=SIZE).outdated()
    assert not index(None, rows=0).outdated(), "of nobody there is no graph"
    assert not made.outdated()
    made.vectors.array[:SIZE] += np.random.default_rng(1).standard_normal((SIZE, WIDTH))
    assert made.outdated()


@pytest.mark.parametrize(("most", "beside"), [(MOST_BESIDE, 50), (40, 40)])
def test_a_graph_is_due_when_too_many_established_rows_are_not_in_it(
    graph: Graph, most: int, beside: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("online_models.index.MOST_BESIDE", most)
    assert not index(graph, rows=SIZE + beside, room=SIZE + 100).outdated()
    assert index(graph, rows=SIZE + beside + 1, room=SIZE + 100).outdated()


def test_a_graph_is_due_when_too_many_of_its_rows_are_not_established(graph: Graph) -> None:
    """One that an earlier version drew holds them all."""
    assert not index(graph, rows=int(0.81 * SIZE)).outdated()
    assert index(graph, rows=int(0.79 * SIZE)).outdated()


def test_a_graph_of_which_no_row_is_left_is_outdated(graph: Graph) -> None:
    made = index(graph, exact_up_to=10, rows=SIZE)
    made.forget(np.arange(SIZE))
    made._popularity.counts.array[30:] = 0
    made._popularity.touch_all()
    assert made.established() == 30
    assert made.outdated()


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
    popularity, best = made._popularity, made.search(query, 20)
    popularity.counts.array[best[:5]] = ESTABLISHED - 1
    popularity.touch(best[:5])
    assert made.search(query, 15).tolist() == best[5:].tolist()
    popularity.counts.array[best[1]] += 1
    popularity.touch(best[1:2])
    assert made.search(query, 16).tolist() == [best[1], *best[5:]]


def test_rows_may_be_found_by_the_graph_before_they_are_established(graph: Graph) -> None:
    made, query = index(graph), queries(1)[0]
    made.vectors.array[[SIZE, SIZE + 1]] = 10 * query
    before = made.search(query, 5).tolist()
    assert made.search(query, 5, also=np.array([SIZE + 1])).tolist() == [SIZE + 1, *before]


def test_what_the_graph_holds_is_found_by_it_before_it_is_established(graph: Graph) -> None:
    """Else lists that are made before would know rows that a search does not find."""
    made, query = index(graph), queries(1)[0]
    made.depth = 5
    best = made.search(query, 20)
    far = np.setdiff1d(np.arange(SIZE), made.search(query, 200))[:1]
    also = np.sort(np.append(far, best[0]))
    made._popularity.counts.array[also] = 0
    made._popularity.touch(also)
    made.vectors.array[far] = 10 * query  # the graph is of what it was
    found = made.search(query, 10, also=also)
    assert found.tolist() == [*best[:12]]


def test_a_graph_takes_the_place_of_the_copy_by_columns(graph: Graph) -> None:
    made = index(None)
    made.search(queries(1)[0], 5)
    assert len(made._columns.rows) == SIZE
    made.apply(graph)
    assert len(made._columns.rows) == 0
    assert made.vectors.stale is None


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


def test_the_next_graph_waits_for_as_many_steps_as_it_costs() -> None:
    state = filled(80)
    upkeep = IndexUpkeep(state, background=False, every=1)
    state.progress = type(state.progress)(step=1)
    assert len(upkeep.check()) == 1
    state.encoder.output.array[:80] *= -1
    for step in range(2, 9):
        state.progress = type(state.progress)(step=step)
        assert upkeep.check() == []
    state.progress = type(state.progress)(step=9)
    assert len(upkeep.check()) == 1
