"""The best of some rows by their keys, compiled."""

from __future__ import annotations

from typing import Any

from online_models.compiled import jit


@jit
def cut(keys: Any, rows: Any, size: int, most: int) -> int:
    """Move the ``most`` best to the front, the worst of them last; return how many there are.

    Quickselect. Ties go to the lower row, so that any order of arrival gives the same ones.
    """
    if size <= most:
        return size
    low, high, wanted = 0, size - 1, most - 1
    while low < high:
        key, row = _median(keys, rows, low, high)
        left, right = low, high
        while left <= right:
            while better(keys[left], rows[left], key, row):
                left += 1
            while better(key, row, keys[right], rows[right]):
                right -= 1
            if left <= right:
                keys[left], keys[right] = keys[right], keys[left]
                rows[left], rows[right] = rows[right], rows[left]
                left += 1
                right -= 1
        if wanted <= right:
            high = right
        elif wanted >= left:
            low = left
        else:
            break
    return most


@jit
def _median(keys: Any, rows: Any, low: int, high: int) -> Any:
    """Return the second best of first, middle and last, which splits what is sorted, too."""
    a, b, c = low, (low + high) // 2, high
    if better(keys[b], rows[b], keys[a], rows[a]):
        a, b = b, a
    if better(keys[c], rows[c], keys[b], rows[b]):
        b = a if better(keys[c], rows[c], keys[a], rows[a]) else c
    return keys[b], rows[b]


@jit
def better(key: Any, row: int, other_key: Any, other_row: int) -> bool:
    """Return whether a row comes before another: by its key, or as the lower one of a tie."""
    return bool(key > other_key or (key == other_key and row < other_row))
