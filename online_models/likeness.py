"""Features that compare: a candidate with each item of the history, and with the list's best."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models.asked import Asked
from online_models.encoder import NEAR
from online_models.rows import Rows
from online_models.state import ModelState

Floats = npt.NDArray[np.float32]

LIKE_ITEMS = 10
"""How many of the last items a candidate is compared with."""
ENCODED = 4


def encoded(state: ModelState, rows: Rows, asked: Asked) -> Floats:
    """Return what the encoder makes of candidates, of shape ``(n, 4)``: 0 without any item.

    The score, by how much it falls short of the list's best, and the products with the input
    vectors of the newest item and of the one that is most alike. The score reads the history as
    one; the largest product tells an item that one of several interests asks for.
    """
    table = np.zeros((len(rows), ENCODED), dtype=np.float32, order="F")
    if asked.vector is None:
        return table
    vectors = state.encoder.output.array.take(rows, axis=0)
    np.matmul(vectors, asked.vector, out=table[:, 0])
    table[:, 1] = below_best(table[:, 0])
    if not len(asked.history):
        return table
    items = state.encoder.input.array[asked.history[:LIKE_ITEMS], NEAR]
    near = items @ vectors[:, :-1].T  # (items, n)
    table[:, 2] = near[0]
    np.maximum.reduce(near, axis=0, out=table[:, 3])
    return table


def write_shortfalls(state: ModelState, counts: Floats, table: Floats) -> None:
    """Write by how much each source's score alone falls short of the list's best, as logs.

    Rules have three: at second hand, by the whole history, and by the newest item.

    Parameters
    ----------
    counts
        Of rules, rules of the newest item, popularity, and rules at second hand, as ``features``
        takes the logs of them.
    table
        Of shape ``(n, 4)``.
    """
    channels, blends = state.rules.channels, table.T
    blends[0] = counts[:, -1]
    blends[1] = state.rules.blend(counts[:, :channels])
    blends[2] = state.rules.blend(counts[:, channels : 2 * channels])
    blends[3] = state.popularity.blend(counts[:, 2 * channels : -1])
    np.log(blends, out=blends)
    blends -= np.fmax.reduce(blends, axis=1, keepdims=True, initial=-np.inf)


def below_best(scores: Floats) -> Floats:
    """Return scores less the largest: one that is no number stays the only one."""
    below: Floats = scores - np.fmax.reduce(scores, initial=-np.inf)
    return below
