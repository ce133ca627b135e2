"""What a run counts."""

from __future__ import annotations

from flows.tally import Tally
from schemas.metrics import SECONDS


def test_events_are_those_that_were_accepted_of_any_type() -> None:
    tally = Tally()
    verdicts = {
        ("interaction", "accepted"): 5,
        ("item", "accepted"): 2,
        ("interaction", "duplicate"): 3,
        ("interaction", "late"): 1,
        ("unknown", "refused"): 4,
    }
    for _ in range(2):
        tally.settled(verdicts=verdicts, reasons={"late": 1, "kind": 4}, users={"new": 1})
    assert (tally.events, tally.duplicates, tally.late, tally.rejected) == (14, 6, 2, 10)
    assert tally.reasons == {"late": 2, "kind": 8}
    assert tally.users == {"new": 2}


def test_reads_learning_and_publishes_are_counted() -> None:
    tally = Tally()
    tally.read(10, filtered=4, lag_ms=7)
    tally.read(5, filtered=0, lag_ms=None)
    tally.learnt(6, items=3)
    tally.published("log", 9)
    assert (tally.records, tally.filtered, tally.lag_ms) == (15, 4, 7)
    assert (tally.examples, tally.model_items, tally.model_version) == (6, 3, 9)
    assert tally.publishes == {"log": 1}


def test_durations_fall_into_the_buckets_of_the_metrics_table() -> None:
    times = Tally().steps["learn"]
    for seconds in (0.0, SECONDS[0], SECONDS[0] * 1.01, 99.0):
        times.add(seconds)
    assert times.counts[0] == 2
    assert times.counts[1] == 1
    assert times.counts[-1] == 1
    assert sum(times.counts) == 4


def test_a_step_is_timed() -> None:
    tally = Tally()
    with tally.timed("shard"):
        pass
    assert sum(tally.steps["shard"].counts) == 1
    assert tally.steps["shard"].total_s >= 0
