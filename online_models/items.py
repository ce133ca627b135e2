"""The item table: one row for an item, no collisions, bounded."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from online_models.facets import Facets
from online_models.tables import Table
from schemas.errors import ModelLogBroken
from schemas.events import ItemUpdate
from schemas.model_log import Admit, Describe, Entry, Evict, Sightings

UNKNOWN = -1
NEWEST = 256
"""Of how many items it is known that they got their rows last, and in which order."""


class ItemTable:
    """Gives items rows, takes them back from those not seen for longest.

    An item that was evicted and returns starts afresh: its row's vectors, counts and optimizer
    state were reset. The idea of admission by count and expiry follows Monolith's collisionless
    embedding table.

    Parameters
    ----------
    capacity
        The most items with a row; when full, the 1 % not seen for longest lose theirs.
    admit_after
        Sightings before an item gets a row; more keeps one-off items out. Waiting items are
        bounded by ``capacity``, the least recently seen ones dropped.

    References
    ----------
    Z. Liu et al.: Monolith: Real Time Recommendation System With Collisionless Embedding Table.
    ORSUM at RecSys 2022. https://arxiv.org/abs/2209.07663
    """

    def __init__(self, *, capacity: int = 200_000, admit_after: int = 1) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}, it must be at least 1")
        if admit_after < 1:
            raise ValueError(f"admit_after is {admit_after}, it must be at least 1")
        self.capacity, self.admit_after = capacity, admit_after
        self.last_seen_ms = Table("items.last_seen_ms", (), dtype=np.int64, learner_only=True)
        self.first_seen_ms = Table("items.first_seen_ms", (), dtype=np.int64)
        self.servable = np.zeros(0, dtype=bool)
        self.unservable = 0
        self.catalogue: OrderedDict[str, ItemUpdate] = OrderedDict()
        self.facets = Facets()
        self.newest: deque[str] = deque(maxlen=NEWEST)
        self.size = 0
        self._rows: dict[str, int] = {}
        self._ids: list[str | None] = []
        self._free: dict[int, None] = {}
        self._waiting: OrderedDict[str, int] = OrderedDict()
        self._changed_waiting: dict[str, None] = {}  # in the order of the changes

    def __len__(self) -> int:
        return len(self._rows)

    def row_of(self, item_id: str) -> int:
        """Return an item's row, or ``UNKNOWN``."""
        return self._rows.get(item_id, UNKNOWN)

    @property
    def free(self) -> Collection[int]:
        """The rows below ``size`` that hold no item."""
        return self._free.keys()

    def rows(self) -> npt.NDArray[np.int64]:
        """Return the rows that hold an item, in rising order."""
        return np.sort(np.fromiter(self._rows.values(), dtype=np.int64, count=len(self._rows)))

    def rows_of(self, item_ids: Iterable[str]) -> list[int]:
        """Return the rows of those items that have one, in order."""
        find = self._rows.get
        return [row for item_id in item_ids if (row := find(item_id)) is not None]

    def id_of(self, row: int) -> str:
        """Return the item of a row. Raises ``KeyError`` for an unused row."""
        item_id = self._ids[row] if 0 <= row < self.size else None
        if item_id is None:
            raise KeyError(f"row {row} holds no item")
        return item_id

    def sighted(self, item_id: str) -> bool:
        """Count a sighting; return whether the item has been seen often enough for a row."""
        if self.admit_after == 1:
            return True
        count = self._waiting.pop(item_id, 0) + 1
        self._wait_changed(item_id)
        if count >= self.admit_after:
            return True
        self._waiting[item_id] = count
        if len(self._waiting) > self.capacity:
            dropped, _ = self._waiting.popitem(last=False)
            self._wait_changed(dropped)
        return False

    def _wait_changed(self, item_id: str) -> None:
        self._changed_waiting.pop(item_id, None)
        self._changed_waiting[item_id] = None

    def next_row(self) -> int:
        """Return the row that the next new item gets: a freed one, or a new one."""
        return next(reversed(self._free), self.size)

    def stalest(self, *, at_least: int = 1) -> npt.NDArray[np.int64]:
        """Return the rows to evict: 1 % of the capacity, those not seen for longest."""
        rows = self.rows()
        order = np.lexsort((rows, self.last_seen_ms.array[rows]))
        return np.sort(rows[order[: max(at_least, self.capacity // 100)]])

    def apply(self, entry: Admit | Evict | Describe | Sightings) -> None:
        """Take an entry over; rows' tables are reset by their owner."""
        if isinstance(entry, Admit):
            self._admit(entry)
        elif isinstance(entry, Evict):
            self._evict(entry.rows)
        elif isinstance(entry, Describe):
            self._describe(entry.updates)
        else:
            self._restore_waiting(entry)

    def collect_waiting(self) -> list[Entry]:
        """Return the counts of waiting items that changed since the last call."""
        if not self._changed_waiting:
            return []
        ids = tuple(self._changed_waiting)
        self._changed_waiting.clear()
        return [Sightings(ids, tuple(self._waiting.get(i, 0) for i in ids))]

    def snapshot(self) -> list[Entry]:
        """Return the entries that rebuild the table."""
        pairs = sorted((row, item_id) for item_id, row in self._rows.items())
        entries: list[Entry] = [Admit(tuple(r for r, _ in pairs), tuple(i for _, i in pairs))]
        if self._free:
            entries.append(Evict(tuple(self._free)))
        if self.catalogue:
            entries.append(Describe(tuple(self.catalogue.values())))
        if self._waiting:
            entries.append(Sightings(tuple(self._waiting), tuple(self._waiting.values())))
        return entries

    def _admit(self, entry: Admit) -> None:
        for row, item_id in zip(entry.rows, entry.item_ids, strict=True):
            self._extend(row + 1)
            if row not in self._free:
                raise ModelLogBroken(f"row {row} is given to {item_id!r}, but holds another item")
            del self._free[row]
            self._rows[item_id], self._ids[row] = row, item_id
            self._serve(row, self._may_be_served(item_id))
            self.facets.put(row, self.catalogue.get(item_id))
            self.newest.append(item_id)

    def _extend(self, size: int) -> None:
        """Use so many rows; the new ones are free."""
        if size <= self.size:
            return
        if size > len(self.servable):
            self.servable = np.concatenate([self.servable, np.zeros(max(1_024, size), dtype=bool)])
        self._free.update(dict.fromkeys(range(self.size, size)))
        self._ids += [None] * (size - self.size)
        self.unservable += size - self.size
        self.size = size

    def _serve(self, row: int, servable: bool) -> None:
        self.unservable += int(self.servable[row]) - int(servable)
        self.servable[row] = servable

    def _evict(self, rows: Sequence[int]) -> None:
        for row in rows:
            self._extend(row + 1)
            item_id = self._ids[row]
            if item_id is not None:
                del self._rows[item_id]
                self._ids[row] = None
                self._serve(row, False)
                self.facets.put(row, None)
            self._free.pop(row, None)
            self._free[row] = None  # the last one freed is the first one given

    def _describe(self, updates: Sequence[ItemUpdate]) -> None:
        for update in updates:
            self.catalogue.pop(update.item_id, None)
            self.catalogue[update.item_id] = update
            row = self.row_of(update.item_id)
            if row != UNKNOWN:
                self._serve(row, self._may_be_served(update.item_id))
                self.facets.put(row, update)
            self._bound_catalogue()

    def _bound_catalogue(self) -> None:
        """Drop the oldest words, but none on an item with a row: it might come back in stock."""
        while len(self.catalogue) > 2 * self.capacity:
            item_id, update = self.catalogue.popitem(last=False)
            if item_id in self._rows:
                self.catalogue[item_id] = update

    def _may_be_served(self, item_id: str) -> bool:
        update = self.catalogue.get(item_id)
        return update is None or (update.in_stock and not update.deleted)

    def _restore_waiting(self, entry: Sightings) -> None:
        for item_id, count in zip(entry.item_ids, entry.counts, strict=True):
            self._waiting.pop(item_id, None)
            if count:
                self._waiting[item_id] = count
