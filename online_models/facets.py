"""What the catalogue says of the items with a row, as arrays: who may see which, and what it is."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from online_models.rows import Mask
from schemas.events import ItemUpdate

Value = TypeVar("Value", bound=Hashable)
Codes = npt.NDArray[np.int32]
NONE = 0


class Facet(Generic[Value]):
    """A value for each row, as the number of a distinct one; 0 where a row has none.

    Numbers that no row has any more are given again, so there are never more than rows.
    """

    def __init__(self) -> None:
        self.codes: Codes = np.zeros(0, dtype=np.int32)
        self.values: list[Value | None] = [None]
        self._code_of: dict[Value, int] = {}
        self._uses = [0]
        self._free: list[int] = []

    @property
    def used(self) -> bool:
        """Whether any row has a value."""
        return bool(self._code_of)

    def put(self, row: int, value: Value | None) -> None:
        """Give a row another value."""
        if row >= len(self.codes):
            if value is None:
                return
            more = np.zeros(max(1_024, row + 1), dtype=np.int32)
            self.codes = np.concatenate([self.codes, more])
        former = int(self.codes[row])
        self.codes[row] = NONE if value is None else self._take(value)
        if former != NONE:
            self._leave(former)

    def of(self, rows: npt.NDArray[np.int64]) -> Codes:
        """Return the numbers of rows."""
        if not self.used:
            return np.zeros(len(rows), dtype=np.int32)
        if rows.max(initial=-1) < len(self.codes):
            return self.codes[rows]
        known = rows < len(self.codes)
        return np.where(known, self.codes[np.where(known, rows, 0)], np.int32(NONE))

    def mask(self, size: int, has: npt.NDArray[np.bool_]) -> Mask:
        """Return, for each of the first rows, what ``has`` says of its number."""
        mask = np.full(size, has[NONE])
        known = min(size, len(self.codes))
        mask[:known] = has[self.codes[:known]]
        return mask

    def numbers(self) -> Collection[tuple[Value, int]]:
        """Return each value that a row has, with its number."""
        return self._code_of.items()

    def _take(self, value: Value) -> int:
        code = self._code_of.get(value)
        if code is None:
            if self._free:
                code = self._free.pop()
                self.values[code] = value
            else:
                code = len(self.values)
                self.values.append(value)
                self._uses.append(0)
            self._code_of[value] = code
        self._uses[code] += 1
        return code

    def _leave(self, code: int) -> None:
        self._uses[code] -= 1
        if not self._uses[code]:
            value = self.values[code]
            assert value is not None
            del self._code_of[value]
            self.values[code] = None
            self._free.append(code)


Bound = tuple[int, tuple[str, ...], tuple[str, ...]]


class Facets:
    """The facets by which slates are made.

    Attributes
    ----------
    bounds
        Least age, regions, blocked regions; none where an item has no bound.
    categories
        All of an item's; ``primary`` is the first.
    sellers, sponsored
        Who sells an item, and whether the catalogue calls it sponsored.
    """

    def __init__(self) -> None:
        self.bounds: Facet[Bound] = Facet()
        self.categories: Facet[tuple[str, ...]] = Facet()
        self.primary: Facet[str] = Facet()
        self.sellers: Facet[str] = Facet()
        self.sponsored: Facet[bool] = Facet()

    def put(self, row: int, update: ItemUpdate | None) -> None:
        """Take the catalogue's word on the item of a row; ``None`` where there is none."""
        if update is None:
            for facet in (self.bounds, self.categories, self.primary, self.sellers, self.sponsored):
                facet.put(row, None)
            return
        bound = (update.min_age, update.regions, update.blocked_regions)
        self.bounds.put(row, bound if any(bound) else None)
        self.categories.put(row, update.categories or None)
        self.primary.put(row, update.categories[0] if update.categories else None)
        self.sellers.put(row, update.seller_id)
        self.sponsored.put(row, update.sponsored or None)
