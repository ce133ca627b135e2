"""What the catalogue tells of candidates: whom a history's words propose, and how like they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from online_models.agreed import SCORE, SHORTFALL, UNTRIED
from online_models.content import Profile
from online_models.feature_names import CONTENT
from online_models.likeness import below_best
from online_models.rows import Mask, Rows, distinct
from online_models.state import ModelState

Floats = npt.NDArray[np.float32]

BY_CONTENT = 20
"""How many items the catalogue proposes, and how many more of those that had no event yet."""
PEERS = 16
"""Candidates whose counts one without an event borrows."""


def alike(state: ModelState, profile: Profile | None, allows: Callable[[Rows], Mask]) -> Rows:
    """Return the rows most alike to a profile, in rising order; ``allows`` says which may be.

    Those that had no event yet are proposed beside the others: nobody else knows them.
    """
    if profile is None:
        return np.zeros(0, dtype=np.int64)
    rows = state.content.newest(profile)
    rows = rows[allows(rows)]
    scores = state.content.likeness(rows, profile)
    rows, scores = rows[scores > 0], scores[scores > 0]
    rows = rows[np.argsort(-scores, kind="stable")]
    return distinct(np.concatenate([rows[:BY_CONTENT], rows[untried(state, rows)][:BY_CONTENT]]))


def untried(state: ModelState, rows: Rows) -> Mask:
    """Return which rows are of items that had no event yet: the catalogue brought them."""
    mask: Mask = state.popularity.counts.array[rows, -1] == 0
    return mask


def told(state: ModelState, rows: Rows, profile: Profile | None) -> Floats:
    """Return what the catalogue tells of candidates, of shape ``(n, 3)``: all 0 without one.

    The likeness to the history, by how much it falls short of the list's best, and whether there
    was no event of the item yet.
    """
    table = np.zeros((len(rows), len(CONTENT)), dtype=np.float32)
    if not state.content.used:
        return table
    table[:, UNTRIED] = untried(state, rows)
    if profile is not None and len(rows):
        table[:, SCORE] = state.content.likeness(rows, profile)
        table[:, SHORTFALL] = below_best(table[:, SCORE])
    return table


def borrow(counts: Floats, content: Floats) -> Rows:
    """Give items without an event what is usual for items that are as like, in place.

    That nobody clicked on what nobody was shown says nothing of it. So the counts that it lacks are
    taken to be those of the ``PEERS`` candidates next to it by likeness, on the mean of their logs;
    the ranker is told that it is untried, and learns what that is worth. Returned are the places of
    those that borrowed.

    Parameters
    ----------
    counts
        Of rules and popularity, positive, as ``features`` takes the logs of them first.
    content
        Of the same candidates, as ``told`` makes it.
    """
    new = np.flatnonzero(content[:, UNTRIED] > 0)
    if len(new) in (0, len(content)):
        return new[:0]
    tried = np.flatnonzero(content[:, UNTRIED] == 0)
    tried = tried[np.argsort(content[tried, SCORE], kind="stable")]
    peers = min(PEERS, len(tried))
    first = content[tried, SCORE].searchsorted(content[new, SCORE], side="right") - peers // 2
    first = np.clip(first, 0, len(tried) - peers)
    lenders = tried[first[:, None] + np.arange(peers)]
    counts[new] = np.exp(np.log(counts[lenders]).mean(axis=1))  # (new, peers, counts)
    return new
