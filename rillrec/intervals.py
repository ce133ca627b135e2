"""Intervals of time as people write them: ``1s``, ``30min``, ``1d``."""

from __future__ import annotations

import re

UNITS_MS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
MOST_MS = 365 * UNITS_MS["d"]


def interval_ms(text: str) -> int:
    """Return an interval in milliseconds; ``0`` takes no unit.

    Raises
    ------
    ValueError
        It is not of that form, or longer than a year.

    Examples
    --------
    >>> [interval_ms(text) for text in ("0", "1s", "30min", "1d")]
    [0, 1000, 1800000, 86400000]
    """
    found = re.fullmatch(r"(\d{1,12})(ms|s|min|h|d)", "0ms" if text == "0" else text)
    if found is None:
        raise ValueError(f"{text!r} is no interval: write 0, 1s, 30min, 6h or 1d")
    number, unit = found.groups()
    if int(number) * UNITS_MS[unit] > MOST_MS:
        raise ValueError(f"{text!r} is longer than a year, 365d")
    return int(number) * UNITS_MS[unit]


def interval_name(ms: int) -> str:
    """Return an interval as it is written shortest.

    Examples
    --------
    >>> [interval_name(ms) for ms in (1_000, 1_800_000, 86_400_000, 1_500)]
    ['1s', '30min', '1d', '1500ms']
    """
    unit = next(unit for unit in reversed(UNITS_MS) if ms % UNITS_MS[unit] == 0)
    return f"{ms // UNITS_MS[unit]}{unit}"
