"""How likely each place of a slate is to be looked at, learnt from where the choices fall.

People choose what stands above more often than what stands below, whatever it is. Of a slate's
items one is chosen in proportion to ``examination(place) * relevance(item)``; the ranker's softmax
over the items that were shown says what they are worth, so what a place gets beyond that is its
own. Its examination is the number of choices that fell on it over the number that would have, were
it looked at as the best one is:

``choices(p) / sum over slates of worth(p) / sum over q of worth(q) * examination(q)``

which is the step of an MM algorithm for choice models (Hunter), taken a micro-batch at a time. The
ranker learns relevance from choices that weigh the inverse of their place's examination, and its
scores tell what is left to the places: the two find their parts in turn, as in the regression-based
EM of Wang et al., and here without the slates of which nothing was chosen. Where an item's features
tell its place, the two can't be told apart: places whose items vary, as explored ones do, part
them.

References
----------
X. Wang, N. Golbandi, M. Bendersky, D. Metzler, M. Najork: Position Bias Estimation for Unbiased
Learning to Rank in Personal Search. WSDM 2018. https://doi.org/10.1145/3159652.3159732
D. Hunter: MM Algorithms for Generalized Bradley-Terry Models. Annals of Statistics 32(1), 2004.
T. Joachims, A. Swaminathan, T. Schnabel: Unbiased Learning-to-Rank with Biased Feedback. WSDM 2017.
https://arxiv.org/abs/1608.04468
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from online_models.tables import Table

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
PLACES = 50
"""Places that are told apart. All below count as the last of them."""
FLOOR = 0.1
"""What is looked at less often counts as this: single choices must not rule."""
_HALF_LIFE_SLATES = 10_000
_PRIOR = 20.0  # choices that speak for a place that is looked at as the best one is
_LEAST = 0.01


class Sighting(Struct, frozen=True, eq=False):
    """A labelled slate: the places of its items, the ranker's scores of them, the chosen one.

    ``places`` and ``scores`` are of shape ``(items,)``; ``chosen`` points into them.
    """

    places: Rows
    scores: npt.NDArray[np.float32]
    chosen: int


class Examination:
    """Choices by place, and those to be expected by relevance alone; both are forgotten slowly.

    Memory: two numbers for each of 50 places. Half of what is known is forgotten in 10,000 slates.
    """

    def __init__(self) -> None:
        self.counts = Table("examination.counts", (2, PLACES), dtype=np.float64, by_row=False)
        self.tables = (self.counts,)

    def curve(self) -> Floats:
        """Return the examination of each place, of shape ``(50,)``, in (0, 1]; the best has 1.

        Places of which little is known count as looked at.

        Examples
        --------
        >>> Examination().curve()[[0, 1, 49]].tolist()
        [1.0, 1.0, 1.0]
        """
        choices, expected = self.counts.array
        ratio = (choices + _PRIOR) / (expected + _PRIOR)
        curve: Floats = np.maximum(ratio / ratio.max(), _LEAST)
        return curve

    def factor(self, position: int) -> float:
        """Return what a choice at a position counts: 1 on average over all choices so far.

        The inverse of the examination, of at least 0.1, over the mean of those inverses.
        """
        inverse = 1 / np.maximum(self.curve(), FLOOR)
        choices = self.counts.array[0]
        total = float(choices.sum())
        mean = float(choices @ inverse) / total if total else 1.0
        return float(inverse[place_of(position)]) / mean

    def learn(self, sightings: Sequence[Sighting]) -> None:
        """Take in where choices fell. Slates whose scores are not finite tell nothing."""
        curve = self.curve()
        choices, expected = self.counts.array
        self.counts.array *= 0.5 ** (len(sightings) / _HALF_LIFE_SLATES)
        for one in sightings:
            worth = np.exp(one.scores.astype(np.float64) - one.scores.max())
            shares = worth / (worth @ curve[one.places])
            if np.isfinite(shares).all():
                np.add.at(expected, one.places, shares)
                choices[one.places[one.chosen]] += 1
        self.counts.mark_all()


def place_of(position: int) -> int:
    """Return the place that a producer's position, from 0, is counted at."""
    return min(max(position, 0), PLACES - 1)
