"""Which field of the context a followed value is of: a ranker weighs regions unlike devices."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from online_models.tables import Table

Rows = npt.NDArray[np.int64]

FIELDS = 8
"""Fields that are told apart, two of them the moment's. The values of further ones count with all
the others alone."""


class ContextFields:
    """Numbers the fields by which followed values came, as they come.

    A field keeps its number for as long as a value of it is followed.

    Parameters
    ----------
    slots
        As many as values are followed, and one.
    """

    def __init__(self, slots: int) -> None:
        self.keys = Table("contexts.fields", (FIELDS,), dtype=np.int64, by_row=False)
        self.numbers = Table(
            "contexts.field_numbers", (slots,), dtype=np.int64, fill=-1, by_row=False
        )
        self.tables = (self.keys, self.numbers)

    def of(self, slots: Rows) -> Rows:
        """Return the number of each slot's field; -1 where it has none."""
        return self.numbers.array[slots]

    def note(self, slot: int, field: str) -> None:
        """Tell which field a slot's new value is of."""
        self.numbers.array[slot] = -1
        number = self._number(hash_of(field))
        self.numbers.array[slot] = number
        self.numbers.mark(slot)

    def _number(self, key: int) -> int:
        used = np.zeros(FIELDS, dtype=bool)
        used[self.numbers.array[self.numbers.array >= 0]] = True
        own = np.flatnonzero((self.keys.array == key) & used)
        if len(own):
            return int(own[0])
        if used.all():
            return -1
        number = int(np.argmin(used))
        self.keys.array[number] = key
        self.keys.mark(number)
        return number


def hash_of(text: str) -> int:
    """Return a positive number that stands for a text, on any machine."""
    digest = blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1 or 1
