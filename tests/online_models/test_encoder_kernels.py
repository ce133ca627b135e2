"""What the kernels compute does not depend on where in memory their arrays happen to lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from online_models import encoder_kernels as kernels
from online_models.encoder import HEADS, READS, USES, VECTORS

Floats = npt.NDArray[np.float32]
BATCH, ROWS = 3, 20


def beside(one: Floats | npt.NDArray[np.float64], gap_bytes: int, size: int) -> tuple[Floats, ...]:
    """Return a copy of an array, and room for so many float32 right behind it."""
    memory = np.zeros(one.nbytes + gap_bytes + 4 * size + 64, dtype=np.uint8)
    begin = -memory.ctypes.data % 64
    copy = memory[begin : begin + one.nbytes].view(one.dtype).reshape(one.shape)
    copy[...] = one
    behind = begin + one.nbytes + gap_bytes
    return copy, memory[behind : behind + 4 * size].view(np.float32)


@pytest.mark.parametrize(("window", "dimensions"), [(4, 8), (5, 8), (8, 8), (20, 64), (30, 64)])
@pytest.mark.parametrize("gap_bytes", [0, 16, 64, 4_096])
def test_attention_is_the_same_wherever_the_positions_lie(
    window: int, dimensions: int, gap_bytes: int
) -> None:
    dice = np.random.default_rng(0)
    histories = dice.integers(0, ROWS, (BATCH, 2, window))
    pulls = np.exp(dice.standard_normal((HEADS, window)))
    table = dice.standard_normal((ROWS, VECTORS, dimensions)).astype(np.float32)
    none = np.full((BATCH, 2), -1), np.zeros((2, dimensions), dtype=np.float32)

    def read(pulls: npt.NDArray[np.float64], attention: Floats) -> list[Any]:
        queries = np.empty((BATCH, dimensions + 1), dtype=np.float32)
        kernels.read(
            READS,
            USES,
            histories,
            none[0],
            pulls,
            np.cumsum(pulls, axis=1),
            table,
            none[1],
            attention,
            queries,
        )
        return [*attention.tolist(), *queries.tolist()]

    apart = read(pulls, np.zeros((BATCH, HEADS, window), dtype=np.float32))
    near, room = beside(pulls, gap_bytes, BATCH * HEADS * window)
    assert read(near, room.reshape(BATCH, HEADS, window)) == apart  # type: ignore[arg-type]
    assert np.sum(apart[:BATCH], axis=2) == pytest.approx(1.0)


@pytest.mark.parametrize("dimensions", [8, 16, 64])
@pytest.mark.parametrize("gap_bytes", [0, 16, 64, 4_096])
def test_gradients_are_the_same_wherever_the_slopes_lie(dimensions: int, gap_bytes: int) -> None:
    dice = np.random.default_rng(0)
    histories = dice.integers(0, ROWS, (BATCH, 2, 4))
    attention = dice.random((BATCH, HEADS, 4)).astype(np.float32)
    slopes = dice.standard_normal((BATCH, dimensions + 1)).astype(np.float32)
    table = dice.standard_normal((ROWS, VECTORS, dimensions)).astype(np.float32)
    rows = np.arange(ROWS)

    def spread(slopes: Floats, gradient: Floats) -> list[float]:
        positions = np.zeros((HEADS, 4), dtype=np.float32)
        kernels.spread(READS, USES, histories, attention, slopes, table, rows, gradient, positions)
        return [*gradient.ravel().tolist(), *positions.tolist()]

    apart = spread(slopes, np.zeros(table.shape, dtype=np.float32))
    near, room = beside(slopes, gap_bytes, table.size)
    assert spread(near, room.reshape(table.shape)) == apart


def test_a_vectors_step_is_shortened_by_the_energy_of_its_own_gradients_alone() -> None:
    rng = np.random.default_rng(4)
    table, energy = rng.standard_normal((9, 2, 5)).astype(np.float32), np.ones((9, 2), np.float32)
    before, rows = table.copy(), np.array([1, 4, 8])
    gradient = rng.standard_normal((3, 2, 5)).astype(np.float32)
    rate = np.float32(0.1)
    kernels.adagrad(table, energy, rows, gradient, rate)
    wanted = 1 + np.square(gradient).mean(axis=2)
    np.testing.assert_allclose(energy[rows], wanted, rtol=1e-6)
    steps = 0.1 * gradient / np.sqrt(wanted)[:, :, None]
    np.testing.assert_allclose(table[rows], before[rows] - steps, rtol=1e-5, atol=1e-6)
    others = np.setdiff1d(np.arange(9), rows)
    np.testing.assert_array_equal(table[others], before[others])
