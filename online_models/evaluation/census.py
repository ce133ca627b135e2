"""How often each user and each item came so far, and when an item first did."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from online_models.items import ItemTable
from schemas.examples import Example, Query

UNSEEN = -1


class Census:
    """Plain counts of a stream, by which predictions are sorted into segments.

    They are of what was replayed alone: a model that learnt something before knows more, and of
    that its users' states tell some. Memory grows by about 100 bytes for each user and each item.

    Parameters
    ----------
    items
        The model's, whose rows items are known by.
    """

    def __init__(self, items: ItemTable) -> None:
        self.events = 0
        self._items = items
        self._by_row = np.full(0, UNSEEN, dtype=np.int32)
        self._users: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._counts, self._first_ms = np.zeros((2, 1_024), dtype=np.int64)

    def count(self, example: Example) -> None:
        """Take an event in, which the model has absorbed."""
        self.events += 1
        user_id = example.query.user_id
        self._users[user_id] = self._users.get(user_id, 0) + 1
        number = self.number_of(example.item_id)
        if not self._counts[number]:
            self._first_ms[number] = example.time_ms
        self._counts[number] += 1
        self._note_row(example.item_id, number)

    def user_events(self, query: Query) -> int:
        """Return how often a user came: no less than the query tells, if that was not replayed."""
        told = len(query.history) + len(query.earlier)
        return max(told, self._users.get(query.user_id, 0))

    def age_ms(self, item_id: str, time_ms: int) -> int:
        """Return for how long an item has been known, or ``UNSEEN``."""
        number = self._numbers.get(item_id, UNSEEN)
        if number == UNSEEN or not self._counts[number]:
            return UNSEEN
        return max(0, time_ms - int(self._first_ms[number]))

    def number_of(self, item_id: str) -> int:
        """Return the number of an item, which it keeps though the model may forget it."""
        number = self._numbers.setdefault(item_id, len(self._numbers))
        if number == len(self._counts):
            self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
            self._first_ms = np.concatenate([self._first_ms, np.zeros_like(self._first_ms)])
        return number

    def numbers_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Return the numbers of the items that hold rows of the model."""
        self._make_room()
        numbers = self._by_row[rows]
        if numbers.min(initial=0) == UNSEEN:  # known to the model from before
            for row in rows[numbers == UNSEEN].tolist():
                item_id = self._items.id_of(row)
                self._note_row(item_id, self.number_of(item_id))
            numbers = self._by_row[rows]
        return numbers

    def novelty_bits(self, numbers: npt.NDArray[np.int32]) -> float:
        """Return the mean self-information of items, ``-log2`` of their share of all events.

        An item that did not come yet is taken to have come once. NaN without any item.
        """
        if not len(numbers):
            return float("nan")
        counts = np.maximum(self._counts[numbers], 1)
        return math.log2(max(1, self.events)) - float(np.log2(counts).sum()) / len(counts)

    def counts(self) -> npt.NDArray[np.int64]:
        """Return how often each item came, by number."""
        return self._counts[: len(self._numbers)]

    def _note_row(self, item_id: str, number: int) -> None:
        """Note who holds a row: one that is given anew is noted at the new item's first event."""
        row = self._items.row_of(item_id)
        if row >= len(self._by_row):
            self._make_room()
        if row >= 0:
            self._by_row[row] = number

    def _make_room(self) -> None:
        missing = self._items.size - len(self._by_row)
        if missing > 0:
            more = np.full(max(missing, len(self._by_row)), UNSEEN, dtype=np.int32)
            self._by_row = np.concatenate([self._by_row, more])
