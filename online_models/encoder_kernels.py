"""The encoder's ways in and out of its tables, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from online_models.compiled import jit, jit_sums


@jit_sums
def read(
    read_by: Any,
    uses: Any,
    histories: Any,
    slots: Any,
    pulls: Any,
    totals: Any,
    table: Any,
    contexts: Any,
    attention: Any,
    queries: Any,
) -> None:
    """Write each history's attention and query vector; the vector's last dimension is 1.

    Exponentials and their sums come from without: in this loop they would be computed several at a
    time, to other last bits than one at a time, or not, by where in memory the arrays happen to be.

    Parameters
    ----------
    read_by, uses
        Which part of a history each head reads, with which of a row's vectors.
    histories, attention
        Of shapes ``(batch, parts, window)``, newest first, padded with -1, and
        ``(batch, heads, window)``.
    slots
        Of the contexts' values, of shape ``(batch, most)``, padded with -1.
    pulls, totals
        The exponentials of the positions' logits, and their running sums, ``(heads, window)``.
    table
        Of shape ``(rows, vectors, dimensions)``.
    queries
        Of shape ``(batch, dimensions + 1)``.
    """
    dimensions = table.shape[2]
    for b in range(len(histories)):
        query = queries[b]
        query[:dimensions], query[dimensions] = 0, 1
        for h in range(len(read_by)):
            rows, held = histories[b, read_by[h]], 0
            while held < len(rows) and rows[held] >= 0:
                held += 1
            for k in range(held):
                share = np.float32(pulls[h, k] / totals[h, held - 1])
                attention[b, h, k], vector = share, table[rows[k], uses[h]]
                for d in range(dimensions):
                    query[d] += share * vector[d]
        for k in range(slots.shape[1]):
            if slots[b, k] >= 0:
                vector = contexts[slots[b, k]]
                for d in range(dimensions):
                    query[d] += vector[d]


@jit_sums
def spread(
    read_by: Any,
    uses: Any,
    histories: Any,
    attention: Any,
    slopes: Any,
    table: Any,
    inputs: Any,
    gradient: Any,
    positions_gradient: Any,
) -> None:
    """Add up what the queries' slopes mean for input vectors and positions.

    Parameters
    ----------
    slopes
        Of the loss by the queries, of shape ``(batch, dimensions or more)``.
    inputs, gradient
        The rows that were read, in rising order, and theirs, ``(rows, vectors, dimensions)``.
    """
    dimensions = table.shape[2]
    pulls = np.zeros(histories.shape[2], dtype=np.float32)
    for b in range(len(histories)):
        for h in range(len(read_by)):
            rows, of = histories[b, read_by[h]], uses[h]
            mean, held = np.float32(0), 0
            while held < len(rows) and rows[held] >= 0:
                row = rows[held]
                place = np.searchsorted(inputs, row)
                pull = np.float32(0)
                for d in range(dimensions):
                    pull += slopes[b, d] * table[row, of, d]
                    gradient[place, of, d] += attention[b, h, held] * slopes[b, d]
                pulls[held] = pull
                mean += attention[b, h, held] * pull
                held += 1
            for k in range(held):
                positions_gradient[h, k] += attention[b, h, k] * (pulls[k] - mean)


@jit_sums
def spread_contexts(slots: Any, slopes: Any, rows: Any, gradient: Any) -> None:
    """Add up what the queries' slopes mean for the vectors of the contexts' values, by ``rows``."""
    dimensions = gradient.shape[1]
    for b in range(len(slots)):
        for k in range(slots.shape[1]):
            if slots[b, k] >= 0:
                place = np.searchsorted(rows, slots[b, k])
                for d in range(dimensions):
                    gradient[place, d] += slopes[b, d]


@jit_sums
def adagrad(table: Any, energy: Any, rows: Any, gradient: Any, rate: Any) -> None:
    """Take a step of row-wise Adagrad: a vector's energy is the mean of its squared gradients.

    Parameters
    ----------
    table, energy
        Of shapes ``(n, vectors, dimensions)`` and ``(n, vectors)``.
    rows, gradient
        Those that take part, and theirs, ``(rows, vectors, dimensions)``.
    """
    dimensions = table.shape[2]
    for n in range(len(rows)):
        row = rows[n]
        for v in range(table.shape[1]):
            total = np.float32(0)
            for d in range(dimensions):
                total += gradient[n, v, d] * gradient[n, v, d]
            energy[row, v] += total / np.float32(dimensions)
            pace = rate / np.sqrt(energy[row, v] + np.float32(1e-8))
            for d in range(dimensions):
                table[row, v, d] -= pace * gradient[n, v, d]


@jit
def occurrences(recent: Any, candidates: Any, size: int) -> Any:
    """Return how often each candidate is among the recent rows, those below 0 left out."""
    counts = np.zeros(size, dtype=np.int64)
    for row in recent:
        if 0 <= row < size:
            counts[row] += 1
    return counts[candidates]
