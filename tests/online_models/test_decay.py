from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from online_models.decay import FOREVER, Landmarks, StreamClock
from online_models.tables import Table
from tests.builders import DAY_MS, START_MS

HOUR = 3_600_000


def counter(*half_lives_ms: float) -> tuple[Landmarks, Table]:
    counts = Table("counts", (1, len(half_lives_ms)), by_row=False)
    return Landmarks("counts", half_lives_ms, (counts,)), counts


def count(landmarks: Landmarks, counts: Table, time_ms: float) -> None:
    if landmarks.due(time_ms):
        landmarks.move(time_ms)
    counts.array[0] += landmarks.increments(np.array([float(time_ms)]))[0]


@given(st.lists(st.integers(0, 400 * DAY_MS), min_size=1, max_size=30))
def test_forward_decay_equals_the_naive_sum(gaps_ms: list[int]) -> None:
    half_lives = (10 * HOUR, 30 * DAY_MS, FOREVER)
    landmarks, counts = counter(*half_lives)
    times = [START_MS + sum(gaps_ms[: n + 1]) for n in range(len(gaps_ms))]
    for time_ms in times:
        count(landmarks, counts, time_ms)
    now = landmarks.increments(np.array([float(times[-1])]))[0]
    naive = [sum(2 ** ((t - times[-1]) / half) for t in times) for half in half_lives]
    np.testing.assert_allclose(counts.array[0] / now, naive, rtol=1e-4)


def test_late_events_count_what_is_left_of_them() -> None:
    landmarks, counts = counter(HOUR)
    count(landmarks, counts, START_MS)
    count(landmarks, counts, START_MS - 3 * HOUR)
    assert counts.array[0, 0] == pytest.approx(1.125)


def test_an_event_decades_late_counts_nothing_and_warns_of_nothing() -> None:
    landmarks, counts = counter(HOUR, FOREVER)
    count(landmarks, counts, START_MS)
    count(landmarks, counts, 1)
    assert counts.array[0].tolist() == [1, 2]


def test_moving_a_landmark_is_exact() -> None:
    landmarks, counts = counter(HOUR, FOREVER)
    counts.array[0] = [3.7, 3.7]
    assert landmarks.move(START_MS) == []
    (entry,) = landmarks.move(START_MS + 100.5 * HOUR)
    assert (entry.table, entry.channel, entry.exponent) == ("counts", 0, 100)
    assert counts.array[0, 0] == np.float32(3.7) * np.float32(2.0**-100)
    assert counts.array[0, 1] == np.float32(3.7)
    assert landmarks.table.array.tolist() == [START_MS + 100 * HOUR, START_MS]


def test_a_gap_of_years_leaves_nothing_of_short_memories() -> None:
    landmarks, counts = counter(HOUR)
    count(landmarks, counts, START_MS)
    count(landmarks, counts, START_MS + 4_000 * DAY_MS)
    now = landmarks.increments(np.array([START_MS + 4_000.0 * DAY_MS]))[0, 0]
    assert counts.array[0, 0] == now


def test_landmarks_that_are_due_move_at_once() -> None:
    landmarks, _ = counter(HOUR)
    landmarks.move(START_MS)
    time_ms = START_MS + 60 * HOUR + 1
    assert landmarks.due(time_ms)
    assert landmarks.move(time_ms)
    assert not landmarks.due(time_ms)


def test_channels_repeated_in_a_table_are_scaled_together() -> None:
    both = Table("both", (1, 4), by_row=False, fill=1)
    landmarks = Landmarks("both", (HOUR, FOREVER), (both,))
    landmarks.move(0)
    assert [entry.channel for entry in landmarks.move(64 * HOUR)] == [0, 2]
    assert both.array[0].tolist() == [2.0**-64, 1, 2.0**-64, 1]


@pytest.mark.parametrize("half_lives", [(), (1.0, 0.0), (-1.0,)])
def test_half_lives_must_be_positive(half_lives: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"half_lives_ms is .*, each must be positive"):
        counter(*half_lives)


def test_the_clock_follows_the_newest_event() -> None:
    clock = StreamClock()
    assert [clock.advance(t) for t in (HOUR, HOUR + 5, HOUR + 3)] == [HOUR, HOUR + 5, HOUR + 3]
    assert clock.now_ms == HOUR + 5


def test_one_event_a_day_ahead_counts_now_and_fades_nothing() -> None:
    clock = StreamClock(START_MS)
    assert clock.advance(START_MS + DAY_MS) == START_MS
    assert clock.advance(START_MS + 7) == START_MS + 7
    assert clock.advance(START_MS + DAY_MS) == START_MS + 7


def test_a_real_gap_is_passed_at_the_second_event() -> None:
    clock = StreamClock(START_MS)
    assert clock.advance(START_MS + DAY_MS) == START_MS
    assert clock.advance(START_MS + DAY_MS + 1_000) == START_MS + DAY_MS
    assert clock.advance(START_MS + DAY_MS + 2_000) == START_MS + DAY_MS + 2_000


def test_behind_a_gap_an_event_far_ahead_is_still_the_odd_one() -> None:
    clock = StreamClock(START_MS)
    clock.advance(START_MS + DAY_MS)
    assert clock.advance(START_MS + 900 * DAY_MS) == START_MS + DAY_MS
    assert clock.advance(START_MS + DAY_MS + 1) == START_MS + DAY_MS + 1


def test_a_clock_starts_again_where_it_stood() -> None:
    times = [START_MS, START_MS + DAY_MS, START_MS + DAY_MS + 1, START_MS + DAY_MS + 2]
    for stop in range(4):
        whole, first = StreamClock(), StreamClock()
        for time_ms in times[:stop]:
            first.advance(time_ms)
        second = StreamClock(first.now_ms, first.ahead_ms)
        counted = [whole.advance(time_ms) for time_ms in times][stop:]
        assert [second.advance(time_ms) for time_ms in times[stop:]] == counted


def test_time_0_sets_nothing() -> None:
    clock = StreamClock()
    assert clock.advance(0) == 0
    assert clock.advance(START_MS) == START_MS


@given(st.lists(st.integers(0, 10 * DAY_MS), max_size=40))
def test_the_clock_never_runs_back_nor_ahead_of_an_event(times: list[int]) -> None:
    clock, seen = StreamClock(), [0]
    for time_ms in times:
        assert clock.advance(time_ms) <= time_ms
        seen.append(clock.now_ms)
    assert all(a <= b for a, b in pairwise(seen))
    assert clock.now_ms <= max(times, default=0)
    assert math.isfinite(clock.now_ms)
