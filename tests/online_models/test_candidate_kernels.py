from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models.candidate_kernels import Scratch, propose

SIZE = 60
SCORES = st.lists(st.integers(0, 12), min_size=SIZE, max_size=SIZE)
ROWS = st.lists(st.integers(0, SIZE - 1), max_size=SIZE, unique=True)


def proposed(
    scores: list[int],
    others: list[int],
    barred: list[int],
    most: int,
    withheld: Sequence[int] = (),
    unknown: Sequence[int] = (),
    rising: Sequence[int] = (),
    *,
    alike: Sequence[int] = (),
    new: int = 0,
    most_alike: int = 0,
) -> list[int]:
    """Return what comes of the encoder's scores and of the ``others``, which are popular.

    Those that are ``withheld`` must not be served. The ``unknown`` are not established; the rising
    are, but only of late. Those that are ``alike`` are so by the scores.
    """
    indexed = np.setdiff1d(np.arange(SIZE), [*unknown, *rising])[::-1].copy()
    established = np.ones(SIZE, dtype=bool)
    established[list(unknown)] = False
    servable = np.ones(SIZE, dtype=bool)
    servable[list(withheld)] = False
    scratch, nobody = Scratch.made(SIZE, 1, 1), np.zeros(0, dtype=np.int64)
    count = propose(
        nobody,
        np.array(barred, dtype=np.int64),
        servable,
        0,
        scratch.neighbours,
        scratch.blends,
        np.array([others + [-1] * (SIZE - len(others))], dtype=np.int64),
        np.array([len(others)]),
        np.array(scores, dtype=np.float32)[indexed],
        indexed,
        servable[indexed],
        np.array(rising, dtype=np.int64),
        established,
        np.ones(1, dtype=np.float32),
        np.array(scores, dtype=np.float32)[:, None],
        nobody,
        np.array(alike, dtype=np.int64),
        np.array(scores, dtype=np.float32)[list(alike)],
        new,
        np.array([SIZE, 1, most, 0, most_alike]),
        scratch.flags,
        scratch.rows,
    )
    assert not scratch.flags.any()
    return [int(row) for row in scratch.rows[:count]]


@settings(deadline=None)
@given(SCORES, ROWS, ROWS, ROWS, ROWS, ROWS, st.integers(1, SIZE))
def test_the_encoder_proposes_its_best_whoever_else_proposes_them(
    scores: list[int],
    others: list[int],
    barred: list[int],
    withheld: list[int],
    unknown: list[int],
    rising: list[int],
    most: int,
) -> None:
    allowed = {*range(SIZE)} - {*barred, *withheld}
    known = sorted(allowed - {*unknown})
    best = sorted(known, key=lambda row: (-scores[row], row))[:most]  # ties: the lower row
    wanted = sorted({*best, *others} & allowed)
    assert proposed(scores, others, barred, most, withheld, unknown, rising) == wanted


def test_as_many_others_as_the_encoder_may_propose_do_not_keep_its_own_out() -> None:
    scores = [12, 0, 0, 11] + [5] * 6 + [0] * (SIZE - 10)
    assert proposed(scores, [1, 2, 0], [], 3) == [0, 1, 2, 3, 4]


@settings(deadline=None)
@given(SCORES, ROWS, ROWS, st.integers(0, SIZE), st.integers(1, SIZE))
def test_the_catalogue_proposes_its_best_and_the_best_of_those_without_an_event(
    scores: list[int], alike: list[int], barred: list[int], new: int, most: int
) -> None:
    wanted = set[int]()
    for among in (alike, alike[:new]):
        allowed = [row for row in among if row not in barred]
        wanted |= {*sorted(allowed, key=lambda row: (-scores[row], row))[:most]}
    found = proposed(scores, [], barred, 0, alike=alike, new=min(new, len(alike)), most_alike=most)
    assert found == sorted(wanted)
