"""Times as files write them, into milliseconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from statistics import median

_UNITS = {"s": 1_000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
_HIGHEST = {"s": 1e11, "ms": 1e14, "us": 1e17, "ns": math.inf}  # all of them the year 5138

ToMs = Callable[[str], int]


def unit_of(sample: Sequence[str]) -> str:
    """Return the unit of a column whose name says none: by magnitude, or ``iso`` for dates.

    Parameters
    ----------
    sample
        Values of the column, some of which may be broken.

    Examples
    --------
    >>> unit_of(["1396314141.719"]), unit_of(["1396314141719"]), unit_of(["2014-04-01T01:02:03Z"])
    ('s', 'ms', 'iso')
    """
    numbers, dates = [], 0
    for text in sample:
        try:
            number = float(text)
        except ValueError:
            dates += _is_date(text)
        else:
            if math.isfinite(number) and number > 0:
                numbers.append(number)
    if dates > len(numbers):
        return "iso"
    middle = median(numbers) if numbers else 0.0
    return next(unit for unit, highest in _HIGHEST.items() if middle < highest)


def reader_of(unit: str) -> ToMs:
    """Return what turns a text into milliseconds; units as ``unit_of`` names them.

    It raises ``ValueError`` or ``OverflowError`` for a text that is no time.

    Examples
    --------
    >>> reader_of("s")("1396314141.719"), reader_of("iso")("2014-04-01 01:02:21")
    (1396314141719, 1396314141000)
    """
    if unit == "iso":
        return _of_date
    factor = _UNITS[unit]
    if unit == "ms":
        return lambda text: int(text) if text.isdecimal() else round(float(text))
    return lambda text: round(float(text) * factor)


def _is_date(text: str) -> bool:
    try:
        _of_date(text)
    except (ValueError, OverflowError):
        return False
    return True


def _of_date(text: str) -> int:
    when = datetime.fromisoformat(text.strip())
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1_000)
