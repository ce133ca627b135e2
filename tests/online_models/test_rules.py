from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from online_models.contexts import MOST, Contexts
from online_models.counting import Counting
from online_models.decay import FOREVER
from online_models.popularity import Popularity
from online_models.rules import BACKWARD_SHARE, RELAYS, Rules
from online_models.tables import Table

HOUR = 3_600_000.0
HALF_LIVES = (HOUR, FOREVER)
START = 1_760_000_000_000.0


def models(neighbours: int = 64, norm: float = 0.75) -> tuple[Popularity, Rules]:
    popularity = Popularity(HALF_LIVES)
    rules = Rules(HALF_LIVES, neighbours=neighbours, norm=norm, scoring_window=4)
    for table in (*popularity.tables, *rules.tables):
        table.grow(64)
    popularity.landmarks.move(START)
    rules.landmarks.move(START)
    return popularity, rules


Event = tuple[int, list[int], float, float]


def absorb(pair: tuple[Popularity, Rules], events: list[Event]) -> None:
    histories = np.full((len(events), 4), -1, dtype=np.int64)
    for n, (_, history, _, _) in enumerate(events):
        histories[n, : len(history)] = history
    last_seen_ms = Table("items.last_seen_ms", (), dtype=np.int64)
    last_seen_ms.grow(64)
    counting = Counting(*pair, Contexts(HOUR), last_seen_ms)
    run = counting.run(
        targets=np.array([event[0] for event in events]),
        histories=histories,
        slots=np.full((len(events), MOST), -1),
        weights=np.array([event[2] for event in events], dtype=np.float32),
        times_ms=np.array([event[3] for event in events]),
        sizes=np.full(len(events), 64),
    )
    counting.count(run, 0, len(events))


def random_events(n: int, items: int = 30) -> list[Event]:
    rng = np.random.default_rng(3)
    return [
        (
            int(rng.integers(items)),
            rng.choice(items, size=int(rng.integers(5)), replace=False).tolist(),
            float(rng.choice([0.3, 1.0, 5.0])),
            START + float(rng.integers(-10 * HOUR, 20 * HOUR)),
        )
        for _ in range(n)
    ]


def naive(events: list[Event]) -> dict[tuple[int, int], np.ndarray]:
    """Counts of (source, other), forward half-lives first, as they stand at the start."""
    counts: dict[tuple[int, int], np.ndarray] = defaultdict(lambda: np.zeros(4))
    for now, history, weight, time_ms in events:
        for k, before in enumerate(history):
            for h, half_life in enumerate(HALF_LIVES):
                step = weight * (1 + k) ** -0.5 * 2 ** ((time_ms - START) / half_life)
                counts[before, now][h] += step
                counts[now, before][2 + h] += step
    return counts


def test_counts_equal_a_dictionary_while_no_list_is_full() -> None:
    pair, events = models(), random_events(400)
    absorb(pair, events)
    rules, wanted = pair[1], naive(events)
    found = {
        (source, int(other)): rules.weights.array[source, slot]
        for source in range(64)
        for slot, other in enumerate(rules.ids.array[source])
        if other >= 0
    }
    assert found.keys() == wanted.keys()
    for key, counts in wanted.items():
        np.testing.assert_allclose(found[key], counts, rtol=1e-4)
    totals = np.zeros((64, 4))
    for (source, _), counts in wanted.items():
        totals[source] += counts
    np.testing.assert_allclose(rules.totals.array, totals, rtol=1e-4)


def test_scores_sum_over_the_history_and_fade_with_its_places() -> None:
    pair, events = models(), random_events(200)
    absorb(pair, events)
    history, now = np.array([3, 7, 11]), START + 30 * HOUR
    rows, counts = pair[1].neighbours(history, now)
    scores, last = np.split(counts, 2, axis=1)
    wanted = naive(events)
    fade = np.tile([2 ** (-30.0), 1.0], 2)
    totals = {s: sum((c for (a, _), c in wanted.items() if a == s), np.zeros(4)) for s in history}
    for row, score, newest in zip(rows, scores, last, strict=True):
        parts = [
            wanted[s, row] * fade / (totals[s] * fade + 1) ** 0.75 / (1 + k)
            for k, s in enumerate(history)
            if (s, row) in wanted
        ]
        np.testing.assert_allclose(score, sum(parts), rtol=1e-4)
        first = parts[0] if (3, row) in wanted else np.zeros(4)
        np.testing.assert_allclose(newest, first, rtol=1e-4)
    assert (np.diff(rows) > 0).all()


@pytest.mark.parametrize(("norm", "wanted"), [(0.0, 9.0), (1.0, 0.9)])
def test_the_norm_decides_between_frequent_and_equal_sources(norm: float, wanted: float) -> None:
    pair = models(norm=norm)
    absorb(pair, [(1, [0], 1.0, START)] * 9)
    _, counts = pair[1].neighbours(np.array([0]), START)
    assert counts[0, 1] == pytest.approx(wanted)


def test_precedence_counts_half_in_the_blend() -> None:
    scores = np.eye(4, dtype=np.float32)
    assert models()[1].blend(scores).tolist() == [1, 1, BACKWARD_SHARE, BACKWARD_SHARE]


def test_a_full_list_gives_its_weakest_place_to_the_newcomer() -> None:
    pair = models(neighbours=2)
    absorb(pair, [(1, [0], 5.0, START), (2, [0], 1.0, START), (3, [0], 1.0, START)])
    assert set(pair[1].ids.array[0].tolist()) == {1, 3}
    assert pair[1].weights.array[0].max() == 5
    absorb(pair, random_events(300))
    assert pair[1].ids.array.shape == (64, 2)


def test_a_newcomer_does_not_inherit_counts() -> None:
    pair = models(neighbours=1)
    absorb(pair, [(1, [0], 5.0, START), (2, [0], 1.0, START)])
    assert pair[1].weights.array[0, 0].tolist() == [1, 1, 0, 0]


def test_events_decades_late_into_full_lists_warn_of_nothing() -> None:
    pair = models(neighbours=1)
    absorb(pair, [(1, [0], 1.0, START), (2, [0], 1.0, 0.0), (3, [0], 1.0, 5.0)])
    assert np.isfinite(pair[1].weights.array).all()


def test_forgotten_rows_are_in_no_list() -> None:
    pair = models()
    absorb(pair, random_events(300))
    pair[1].forget(np.array([3, 5]))
    assert not np.isin(pair[1].ids.array, [3, 5]).any()
    assert not pair[1].weights.array[pair[1].ids.array < 0].any()


@pytest.mark.parametrize("history", [[], [40]])
def test_nothing_follows_what_is_not_known(history: list[int]) -> None:
    pair = models()
    absorb(pair, random_events(50))
    rows, counts = pair[1].neighbours(np.array(history, dtype=np.int64), START)
    assert (len(rows), counts.shape) == (0, (0, 8))


def told_naively(rules: Rules, history: list[int], now: float) -> dict[int, float]:
    """What the strongest neighbours' own rules say, each neighbour weighed by its blend."""
    rows, counts = rules.neighbours(np.array(history, dtype=np.int64), now)
    blends = rules.blend(counts[:, : rules.channels])
    told: dict[int, float] = defaultdict(float)
    for place in sorted(range(len(rows)), key=lambda n: (-blends[n], rows[n]))[:RELAYS]:
        further, theirs = rules.neighbours(rows[place : place + 1], now)
        for row, said in zip(
            further.tolist(), rules.blend(theirs[:, : rules.channels]), strict=True
        ):
            told[row] += float(blends[place] * said)
    return told


@pytest.mark.parametrize("history", [[], [40], [3], [7, 3, 11]])
@pytest.mark.parametrize("events", [12, 300])
def test_at_second_hand_speak_the_neighbours_of_the_strongest_neighbours(
    history: list[int], events: int
) -> None:
    pair, now = models(), START + 30 * HOUR
    absorb(pair, random_events(events))
    rules, rows = pair[1], np.arange(0, 45, 2)
    found = rules.neighbours(np.array(history, dtype=np.int64), now)
    wanted = told_naively(rules, history, now)
    heard = rules.second_hand(rows, found, now)
    np.testing.assert_allclose(heard, [wanted[row] for row in rows.tolist()], rtol=1e-4)
    if events == 300:
        assert heard.any() == (history not in ([], [40]))


def test_what_shares_no_unit_with_a_history_is_heard_of_by_what_it_shares_one_with() -> None:
    pair = models()
    absorb(pair, [(1, [0], 1.0, START), (2, [1], 1.0, START), (4, [3], 1.0, START)])
    found = pair[1].neighbours(np.array([0]), START)
    assert found[0].tolist() == [1]
    heard = pair[1].second_hand(np.array([2, 3, 4]), found, START)
    assert (heard > 0).tolist() == [True, False, False]
