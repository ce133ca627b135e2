"""The item index: exact while that is as fast, a graph with live re-scoring beyond.

References
----------
Y. Malkov, D. Yashunin: Efficient and robust approximate nearest neighbor search using Hierarchical
Navigable Small World graphs. IEEE TPAMI 42(4), 2020. https://arxiv.org/abs/1603.09320
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import hnswlib
import numpy as np
import numpy.typing as npt

from online_models.agreed import ROUNDING
from online_models.columns import Columns
from online_models.popularity import Popularity
from online_models.rows import NO_ROWS, Mask, Rows, distinct, member
from online_models.tables import Table
from schemas.model_log import Graph

Floats = npt.NDArray[np.float32]

BLOCK = 64
"""Of so many scores each, the largest tell about where the largest of all begin."""
MOST_BESIDE = 10_000
"""Rows that a graph may lack before a new one is due: they are gathered one by one."""
LEAST_KNOWN = 0.8
"""The share of a graph's rows that have to be established: a search finds the others in vain."""


class ItemIndex:
    """Finds the established rows whose live vectors have the largest product with a query.

    The graph is immutable; vectors go on learning. So a search takes ``depth`` rows more from the
    graph than are asked for, adds those that it lacks, and scores both with the live vectors.

    An exact search finds the best ones by a copy of the vectors, which is made at the first one and
    takes an eighth more memory than they do; a graph takes its place. Here too the live vectors
    have the last word.

    Parameters
    ----------
    vectors
        The live table.
    popularity
        Tells who is established.
    exact_up_to
        Established rows up to which all are scored, without a graph: one product of all vectors
        takes less than a graph's search, which is all over the memory.
    depth
        Rows taken from the graph beyond those that are asked for; more find more, and cost time in
        proportion.
    """

    def __init__(
        self,
        vectors: Table,
        popularity: Popularity,
        *,
        exact_up_to: int = 50_000,
        depth: int = 110,
    ) -> None:
        self.vectors, self.exact_up_to, self.depth = vectors, exact_up_to, depth
        self._popularity = popularity
        self._columns = Columns(vectors)
        self._graph: hnswlib.Index | None = None
        self._in_graph = np.zeros(0, dtype=bool)
        self._beside: tuple[int, Rows] = (-1, NO_ROWS)
        self._entry: Graph | None = None

    @property
    def graph(self) -> Graph | None:
        """The graph and the rows that it still stands for, for snapshots."""
        if self._entry is None:
            return None
        rows = np.flatnonzero(self._in_graph)
        return Graph(rows.astype("<i8").tobytes(), self._entry.graph, self._entry.step)

    @property
    def built_at(self) -> int:
        """The step whose vectors the graph holds; 0 where there is no graph."""
        return self._entry.step if self._entry else 0

    @property
    def is_exact(self) -> bool:
        """Whether a search scores all established rows."""
        return self._graph is None or self.established() <= self.exact_up_to

    def established(self) -> int:
        """Return how many rows are."""
        self._popularity.refresh()
        return int(np.count_nonzero(self._popularity.established))

    def search(
        self,
        query: Floats,
        count: int,
        *,
        among: Mask | None = None,
        also: Rows = NO_ROWS,
    ) -> Rows:
        """Return up to ``count`` established rows, best first; ties go to the lower row.

        Parameters
        ----------
        among
            Which rows may be found, all where it is not given. Exact search minds it fully; from
            the graph rows are taken first.
        also
            Rows in rising order that a search by the graph returns too, beyond the count, though
            they are not established: where one of them is by then, the best are the same.
        """
        if self.is_exact:
            indexed, products = self.products(query)
            allowed = None if among is None else among.take(indexed)
            rows = np.sort(indexed.take(_largest(products, count, allowed)))
        else:
            rows = self._from_graph(query, count + self.depth, also)
            rows, count = rows if among is None else rows[among[rows]], count + len(also)
        # Unlike a product, this adds up equal vectors to equal scores, wherever they stand.
        scores = np.einsum("nd,d->n", self.vectors.array.take(rows, axis=0), query)
        best: Rows = rows[(-scores).argsort(kind="stable")[:count]]  # they are in rising order
        return best

    def products(self, queries: Floats) -> tuple[Rows, Floats]:
        """Return the established rows, and about their products with queries.

        Of shapes ``(rows,)``, in no order, and ``(..., rows)``.
        """
        self._popularity.refresh()
        self._columns.refresh(self._popularity.established, self._popularity.changes)
        return self._columns.rows, self._columns.product(queries)

    def forget(self, rows: Rows) -> None:
        """Evicted rows are no longer what the graph took them for."""
        self._in_graph[rows[rows < len(self._in_graph)]] = False
        self._beside = (-1, self._beside[1])

    def apply(self, entry: Graph) -> None:
        """Take a new graph over."""
        graph = hnswlib.Index(space="ip", dim=self.vectors.array.shape[1])
        with tempfile.TemporaryDirectory(prefix="rillrec-graph-") as folder:
            path = Path(folder, "graph")
            path.write_bytes(entry.graph)
            graph.load_index(str(path))
        graph.set_ef(self.depth)
        graph.set_num_threads(1)
        rows = np.frombuffer(entry.rows, dtype="<i8")
        self._in_graph = np.zeros(int(rows.max(initial=-1)) + 1, dtype=bool)
        self._in_graph[rows] = True
        self._beside = (-1, self._beside[1])
        self._graph, self._entry = graph, entry
        self._columns.forget()  # should some search still be exact, it is made anew

    def _from_graph(self, query: Floats, count: int, also: Rows) -> Rows:
        """Return what the graph finds of the established, all that it lacks of them, and ``also``.

        A row of ``also`` that the graph holds has to be found by it, as later, when established.
        """
        assert self._graph is not None
        outside, established = self._outside(), self._popularity.established
        try:
            labels, _ = self._graph.knn_query(query, k=min(count, self._graph.get_current_count()))
        except RuntimeError:  # fewer than so many can be reached in the graph: take all there are
            return distinct(np.concatenate([np.flatnonzero(established), also]))
        found = labels[0].astype(np.int64)
        found = found[self._holds(found)]
        found = found[established[found] | member(found, also)]
        return np.sort(np.concatenate([found, outside, also[~self._holds(also)]]))

    def _holds(self, rows: Rows) -> Mask:
        """Return which rows the graph still stands for."""
        held: Mask = rows < len(self._in_graph)
        held[held] = self._in_graph[rows[held]]
        return held

    def _outside(self) -> Rows:
        """Return the established rows that the graph does not hold: few, and often the same."""
        self._popularity.refresh()
        if self._beside[0] != self._popularity.changes:
            outside = self._popularity.established.copy()
            known = min(len(outside), len(self._in_graph))
            outside[:known] &= ~self._in_graph[:known]
            self._beside = self._popularity.changes, np.flatnonzero(outside)
        return self._beside[1]

    def outdated(self, *, least_cosine: float = 0.96) -> bool:
        """Return whether a new graph is due.

        It is where vectors moved, where the graph lacks too many established rows, which are scored
        one by one (``MOST_BESIDE``, or half of those up to which there is no graph), and where it
        holds too many that are not established: those were drawn by earlier versions.
        """
        if self.established() <= self.exact_up_to:
            return False
        if self._graph is None:
            return True
        rows = np.flatnonzero(self._in_graph)
        known = rows[self._popularity.established[rows]]
        beside, most = len(self._outside()), min(self.exact_up_to // 2, MOST_BESIDE)
        if beside > most or len(known) <= LEAST_KNOWN * len(rows):
            return True
        sample = known[:: max(1, len(known) // 500)]
        then = np.asarray(self._graph.get_items(sample.tolist()), dtype=np.float32)
        return bool(np.median(_cosines(then, self.vectors.array[sample])) < least_cosine)


def build_graph(
    vectors: Floats, rows: Rows, *, step: int = 0, links: int = 48, breadth: int = 200
) -> Graph:
    """Return a graph over vectors, built in one thread so that equal input gives equal graphs.

    Parameters
    ----------
    vectors, rows
        Of shapes ``(n, dimensions)`` and ``(n,)``.
    step
        The model's, at which these were its vectors.
    links, breadth
        HNSW's M and ef_construction. Inner products with biases need more links than cosines do:
        on 45,000 learnt vectors M = 16 finds .971 of the true top 40, M = 48 finds .991
        (``tests.benchmarks.slates --events 150000 --links M``).
    """
    graph = hnswlib.Index(space="ip", dim=vectors.shape[1])
    graph.init_index(len(rows), M=links, ef_construction=breadth, random_seed=0)
    graph.add_items(vectors, rows, num_threads=1)
    with tempfile.TemporaryDirectory(prefix="rillrec-graph-") as folder:
        path = Path(folder, "graph")
        graph.save_index(str(path))
        return Graph(rows.astype("<i8").tobytes(), path.read_bytes(), step)


def _largest(scores: Floats, count: int, among: Mask | None) -> Rows:
    """Return places in rising order, all of the ``count`` largest scores among them, and few more.

    Of the largest of every ``BLOCK`` scores, the ``count``-th is no larger than that of all. Scores
    may be off by ``ROUNDING``, and those that must not be found are overwritten.
    """
    if among is not None:
        np.copyto(scores, -np.inf, where=~among)
    if len(scores) <= count:
        found = np.arange(len(scores))
    else:
        blocks, best = len(scores) // BLOCK, scores
        if blocks >= 2 * count:
            best = np.fmax.reduce(scores[: blocks * BLOCK].reshape(BLOCK, blocks), axis=0)
        least = float(np.partition(best, len(best) - count)[-count])
        found = (scores >= least - ROUNDING * (1 + abs(least))).nonzero()[0]
    return found if among is None else found[among[found]]


def _cosines(one: Floats, other: Floats) -> Floats:
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosines: Floats = np.einsum("nd,nd->n", one, other) / np.maximum(norms, np.float32(1e-12))
    return cosines
