"""Times as files write them."""

from __future__ import annotations

import pytest

from flows.sources.times import reader_of, unit_of


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("874724710", "s"),
        ("1506826800.026", "s"),
        ("1506826800026", "ms"),
        ("1506826800026000", "us"),
        ("1506826800026000000", "ns"),
        ("2017-10-01T03:00:00.026Z", "iso"),
        ("2017-10-01 00:00:00.026-03:00", "iso"),
    ],
)
def test_units_are_told_by_magnitude(text: str, unit: str) -> None:
    assert unit_of([text]) == unit


@pytest.mark.parametrize(
    ("unit", "text", "time_ms"),
    [
        ("s", "1506826800.026", 1506826800026),
        ("ms", "1506826800026", 1506826800026),
        ("ms", "1506826800026.4", 1506826800026),
        ("us", "1506826800026499", 1506826800026),
        ("ns", "1506826800026499999", 1506826800026),
        ("iso", "2017-10-01T03:00:00.026Z", 1506826800026),
        ("iso", " 2017-10-01 00:00:00.026-03:00", 1506826800026),
        ("iso", "2017-10-01", 1506816000000),
    ],
)
def test_times_are_read_to_the_millisecond(unit: str, text: str, time_ms: int) -> None:
    assert reader_of(unit)(text) == time_ms


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "iso"])
@pytest.mark.parametrize("text", ["", "soon", "nan", "inf", "-inf", "1e999"])
def test_what_is_no_time_is_no_time_in_any_unit(unit: str, text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        reader_of(unit)(text)


def test_a_few_broken_values_do_not_mislead() -> None:
    assert unit_of(["0", "-5", "soon", "nan", "1506826800", "1506826801", "1506826800026"]) == "s"
    assert unit_of([]) == "s"
    assert unit_of(["2017-10-01", "2017-10-02", "5"]) == "iso"
