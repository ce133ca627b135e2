from __future__ import annotations

import numpy as np
import pytest

from online_models.counting_kernels import EVIDENCE_KEPT, UNSEEN_SHARE
from tests.builders import START_MS, Stream, contents, learn, random_stream, small


def test_popularity_counts_weights_at_their_times() -> None:
    stream = Stream()
    for unit, item, time_ms, weight in [("a", "x", 0, 1.0), ("b", "x", 600_000, 2.0)]:
        stream.add(unit, item, START_MS + time_ms, weight=weight)
    state = learn(stream.examples).state
    assert state.popularity.counts.array[0].tolist() == [5, 3]
    assert state.popularity.totals.array[0].tolist() == [5, 3]


def test_each_horizon_is_weighed_by_how_likely_it_held_the_event() -> None:
    stream = Stream()
    for n, item in enumerate("xyx"):
        stream.add(f"s{n}", item, START_MS)
    evidence, wanted = learn(stream.examples).state.popularity.evidence.array, 0.0
    for share, size in [(0, 1), (0, 2), (0.5, 2)]:
        wanted += (1 - EVIDENCE_KEPT) * (np.log(share + UNSEEN_SHARE / size) - wanted)
    assert evidence.tolist() == pytest.approx([wanted, wanted])


def test_when_events_are_counted_does_not_change_what_is_counted() -> None:
    examples = random_stream(300, items=80)
    often = learn(examples, lists_every=1, all_lists_until=0).state
    seldom = learn(examples, lists_every=10**6, all_lists_until=0).state
    for name in ("popularity.totals", "popularity.counts", "popularity.evidence", "rules.weights"):
        np.testing.assert_array_equal(often.tables[name].array, seldom.tables[name].array, name)


def test_a_late_event_does_not_make_its_item_look_stale() -> None:
    stream = Stream()
    stream.add("a", "x", START_MS)
    stream.add("b", "x", START_MS - 90_000_000)
    assert learn(stream.examples).state.items.last_seen_ms.array[0] == START_MS


def test_items_below_the_threshold_are_counted_by_nobody() -> None:
    stream = Stream()
    stream.add("a", "x")
    stream.add("a", "y")
    state = learn(stream.examples, small(admit_after=2)).state
    assert len(state.items) == 0
    assert not state.popularity.totals.array.any()
    assert state.progress.trained == 2


def test_events_of_weight_0_move_the_marks_and_nothing_else() -> None:
    stream = Stream()
    stream.add("a", "x", weight=0)
    learning = learn(stream.examples)
    learning.collect()
    assert (learning.state.progress.absorbed, learning.state.progress.trained) == (1, 0)
    assert learning.state.progress.marks == {"": {0: 1}}
    assert contents(learning.state)["rows"] == {}
