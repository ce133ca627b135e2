"""A query as the models read it: rows, slots and vectors instead of names."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from online_models.rows import NO_ROWS, Rows
from online_models.state import ModelState
from schemas.examples import Query

Floats = npt.NDArray[np.float32]


class Asked(Struct, frozen=True):
    """What is asked for.

    Parameters
    ----------
    history
        Rows of the unit's items, newest first.
    earlier
        Rows of the items of the user's other sessions, newest first.
    slots
        Of the context's followed values.
    vector
        The encoder's query, of shape ``(dimensions + 1,)``; ``None`` where no item is
        known that the user chose.
    """

    history: Rows
    earlier: Rows
    slots: Rows
    vector: Floats | None


def read(state: ModelState, query: Query) -> Asked:
    """Return a query in a model's own terms, without the items and values that it does not know."""
    history, earlier = history_rows(state, query), earlier_rows(state, query)
    slots = slots_of(state, query)
    vector = None
    if len(history) or len(earlier):
        vector = state.encoder.query(history, earlier, slots)
    return Asked(history, earlier, slots, vector)


def history_rows(state: ModelState, query: Query) -> Rows:
    """Return the rows of the unit's items, newest first, as many as are learnt from."""
    return _array(history_of(state, query))


def earlier_rows(state: ModelState, query: Query) -> Rows:
    """Return the rows of a query's earlier items, newest first, as many as the encoder reads."""
    return _array(earlier_of(state, query))


def history_of(state: ModelState, query: Query) -> list[int]:
    """Return what ``history_rows`` does, as a list."""
    return _newest(state, query.history, state.config.learning_window)


def earlier_of(state: ModelState, query: Query) -> list[int]:
    """Return what ``earlier_rows`` does, as a list."""
    return _newest(state, query.earlier, state.config.encoder_window)


def slots_of(state: ModelState, query: Query) -> Rows:
    """Return the slots of a query's followed values, of the context and of the moment."""
    return state.contexts.slots_of(query.context, query.moment)


def _newest(state: ModelState, item_ids: tuple[str, ...], most: int) -> list[int]:
    return state.items.rows_of(item_ids[-most:])[::-1] if item_ids else []


def _array(rows: list[int]) -> Rows:
    if not rows:  # as most events have none, and an array takes its time
        return NO_ROWS
    return np.array(rows, dtype=np.int64)
