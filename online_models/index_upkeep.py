"""When the index gets a new graph."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from online_models.index import build_graph
from online_models.state import ModelState
from schemas.model_log import Entry, Graph

PAUSE = 10
"""Established items per step between two builds: one costs about as much as a step for each 40."""


class IndexUpkeep:
    """Builds a new graph when vectors have moved too far from the present one.

    Parameters
    ----------
    state
        Its index is looked at every ``every`` steps.
    background
        Build on a thread, and take the graph over at the first check that finds it done.
    """

    def __init__(self, state: ModelState, *, background: bool, every: int = 50) -> None:
        self.state, self.every = state, every
        self._thread = ThreadPoolExecutor(1, "index") if background else None
        self._building: Future[Graph] | None = None
        self._since = np.zeros(0, dtype=np.int64)

    def check(self) -> list[Entry]:
        """Return a new graph, already applied, where one is ready."""
        if self._building is not None:
            return self._take(self._building.result()) if self._building.done() else []
        index, items, step = self.state.index, self.state.items, self.state.progress.step
        if step % self.every:
            return []
        if index.built_at and step - index.built_at < index.established() // PAUSE:
            return []
        if not index.outdated():
            return []
        rows = np.flatnonzero(self.state.popularity.established)
        self._since = items.first_seen_ms.array[: items.size].copy()
        vectors = self.state.encoder.output.array[rows]
        if self._thread is None:
            return self._take(build_graph(vectors, rows, step=step))
        self._building = self._thread.submit(build_graph, vectors, rows, step=step)
        return []

    def _take(self, graph: Graph) -> list[Entry]:
        """Apply a graph, less the rows that changed hands while it was built."""
        self._building = None
        rows = np.frombuffer(graph.rows, dtype="<i8")
        kept = self.state.items.first_seen_ms.array[rows] == self._since[rows]
        graph = Graph(rows[kept].tobytes(), graph.graph, graph.step)
        self.state.apply(graph)
        return [graph]
