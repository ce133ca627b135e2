"""A flow that can't keep up is an incident; one that catches up is none."""

from __future__ import annotations

import pytest

from flows.sources.kafka_falling import FallingBehind
from tests.flows.kafka_streams import told_incidents

RISING = [20_000, 21_000, 22_000, 23_000, 24_000, 25_000]


@pytest.mark.parametrize(
    ("behind", "incidents"),
    [
        (RISING, 1),
        ([*RISING, 26_000, 27_000], 1),
        (RISING[:5], 0),
        (RISING[::-1], 0),
        ([*RISING[:4], 0, *RISING[:4]], 0),
        ([100, 200, 300, 400, 500, 600], 0),
        ([*RISING, 5_000, *RISING], 2),
    ],
)
def test_only_falling_further_behind_for_a_minute_is_an_incident(
    behind: list[int], incidents: int
) -> None:
    clock = [0.0]
    sink, told = told_incidents()
    falling = FallingBehind(sink, clock=lambda: clock[0])
    for offsets in behind:
        for _ in range(10):
            clock[0] += 1
            falling.look(offsets)
    assert [one.kind for one in told] == ["learner_behind"] * incidents
