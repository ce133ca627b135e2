"""When the index gets a new graph."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from online_models.index import build_graph
from online_models.state import ModelState
from schemas.model_log import Entry, Graph


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

    def check(self) -> list[Entry]:
        """Return a new graph, already applied, where one is ready."""
        if self._building is not None:
            return self._take(self._building.result()) if self._building.done() else []
        items = self.state.items
        if self.state.progress.step % self.every:
            return []
        if not self.state.index.outdated(items.size, len(items)):
            return []
        rows = items.rows()
        vectors = self.state.encoder.output.array[rows]
        if self._thread is None:
            return self._take(build_graph(vectors, rows))
        self._building = self._thread.submit(build_graph, vectors, rows)
        return []

    def _take(self, graph: Graph) -> list[Entry]:
        self._building = None
        self.state.apply(graph)
        return [graph]
