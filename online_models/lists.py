"""Lists of candidates one after another, as the ranker learns from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Lists(NamedTuple):
    """Some lists, each of which has one candidate that was chosen.

    Parameters
    ----------
    features
        Of all their candidates, of shape ``(candidates, features)``.
    lengths
        How many are each list's, of shape ``(lists,)``.
    places
        Of the chosen ones in their lists, of shape ``(lists,)``.
    weights
        Of shape ``(lists,)``.
    """

    features: Floats
    lengths: Rows
    places: Rows
    weights: Floats


class GrowingLists:
    """Lists that gather. Their room is kept, and used again after ``clear``.

    Parameters
    ----------
    features
        Of each candidate.
    """

    def __init__(self, features: int) -> None:
        self._features = np.empty((0, features), dtype=np.float32)
        self._ends = [0]
        self._places: list[int] = []
        self._weights: list[float] = []

    def __len__(self) -> int:
        return len(self._places)

    def clear(self) -> None:
        """Forget all lists. What was made of them must not be used any more."""
        self._ends, self._places, self._weights = [0], [], []

    def room(self, candidates: int) -> Floats:
        """Return where the features of the next candidates go, until ``add`` tells of lists."""
        end = self._ends[-1]
        if len(self._features) < end + candidates:
            former = self._features
            self._features = np.empty((2 * (end + candidates), former.shape[1]), dtype=np.float32)
            self._features[:end] = former[:end]
        return self._features[end : end + candidates]

    def add(self, length: int, place: int, weight: float) -> None:
        """Take in a list whose features are written already."""
        self._ends.append(self._ends[-1] + length)
        self._places.append(place)
        self._weights.append(weight)

    def append(self, features: Floats, place: int, weight: float) -> None:
        """Take in a list with its features."""
        self.room(len(features))[:] = features
        self.add(len(features), place, weight)

    def part(self, start: int, end: int) -> Lists:
        """Return the lists from ``start`` to ``end``; the features are a view."""
        ends = np.array(self._ends[start : end + 1])
        return Lists(
            self._features[ends[0] : ends[-1]],
            ends[1:] - ends[:-1],
            np.array(self._places[start:end]),
            np.array(self._weights[start:end], dtype=np.float32),
        )
