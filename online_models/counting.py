"""Counts events into popularity, rules and contexts: the learner's side of these models."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models.contexts import MOST, Contexts
from online_models.counting_kernels import Counters, Run, count
from online_models.decay_kernels import increments
from online_models.popularity import Popularity
from online_models.rules import Rules
from online_models.state import ModelState
from online_models.tables import Table

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


class Counting:
    """The counting models of a state, as one.

    Parameters
    ----------
    last_seen_ms
        When items had their last event.
    """

    def __init__(
        self, popularity: Popularity, rules: Rules, contexts: Contexts, last_seen_ms: Table
    ) -> None:
        self.popularity, self.rules, self.contexts = popularity, rules, contexts
        self.last_seen_ms = last_seen_ms

    def run(
        self,
        *,
        targets: IntArray,
        histories: IntArray,
        slots: IntArray,
        weights: FloatArray,
        times_ms: npt.NDArray[np.float64],
        sizes: IntArray,
    ) -> Run:
        """Return events as they are to be counted; see ``Run`` for the shapes."""
        grown = [
            increments(part.landmarks, times_ms)
            for part in (self.popularity, self.rules, self.contexts)
        ]
        return Run(targets, histories, slots, weights, times_ms, sizes, *grown)

    def counters(self) -> Counters:
        """Return where events are counted, until the tables grow."""
        popularity, rules, contexts = self.popularity, self.rules, self.contexts
        return Counters(
            last_seen_ms=self.last_seen_ms.array,
            last_seen_dirty=self.last_seen_ms.dirty,
            counts=popularity.counts.array,
            totals=popularity.totals.array[0],
            evidence=popularity.evidence.array,
            counts_dirty=popularity.counts.dirty,
            tops=popularity.tops,
            held=popularity.held,
            established=popularity.established,
            least=popularity.least,
            ids=rules.ids.array,
            rule_weights=rules.weights.array,
            rule_totals=rules.totals.array,
            ids_dirty=rules.ids.dirty,
            rule_weights_dirty=rules.weights.dirty,
            rule_totals_dirty=rules.totals.dirty,
            context_counts=contexts.counts.array,
            context_totals=contexts.totals.array,
            context_dirty=contexts.counts.dirty,
        )

    def count(self, run: Run, start: int, end: int) -> None:
        """Absorb the events from ``start`` to ``end`` of a run, in order."""
        if start == end:
            return
        count(run, self.counters(), start, end)
        self.mark(run, start, end)

    def mark(self, run: Run, start: int, end: int) -> None:
        """Call changed what these events changed as a whole."""
        if start == end:
            return
        self.popularity.changes += 1
        self.popularity.totals.mark_all()
        self.popularity.evidence.mark_all()
        known = run.targets[start:end] >= 0
        if (known & (run.slots[start:end, 0] >= 0)).any():
            self.contexts.totals.mark_all()


def counting_of(state: ModelState) -> Counting:
    """Return the counting models of a state."""
    return Counting(state.popularity, state.rules, state.contexts, state.items.last_seen_ms)


def nothing(state: ModelState) -> Run:
    """Return a run without events."""
    return counting_of(state).run(
        targets=np.zeros(0, dtype=np.int64),
        histories=np.zeros((0, state.config.learning_window), dtype=np.int64),
        slots=np.zeros((0, MOST), dtype=np.int64),
        weights=np.zeros(0, dtype=np.float32),
        times_ms=np.zeros(0, dtype=np.float64),
        sizes=np.zeros(0, dtype=np.int64),
    )
