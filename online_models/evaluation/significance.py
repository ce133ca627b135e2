"""Whether one method beats another on the same predictions, or was lucky.

References
----------
Q. McNemar: Note on the sampling error of the difference between correlated proportions or
percentages. Psychometrika 12, 1947. https://doi.org/10.1007/BF02295996
A. L. Edwards: Note on the "correction for continuity" in testing the significance of the difference
between correlated proportions. Psychometrika 13, 1948. https://doi.org/10.1007/BF02289261
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

EXACT_BELOW = 100
"""Below so many predictions that only one of the two hits, the binomial is summed exactly."""


def mcnemar(ours: npt.NDArray[np.bool_], theirs: npt.NDArray[np.bool_]) -> float:
    """Return the two-sided p-value that two methods hit equally often.

    Only predictions count that one of them hits and the other misses: a fair coin would share them
    out by halves. Many are judged by chi-square with continuity correction.

    It takes predictions for independent, which those of one unit are not quite: see
    ``bootstrap`` for a test that does not.

    Parameters
    ----------
    ours, theirs
        Whether each prediction hit, of the same shape ``(predictions,)``.

    Examples
    --------
    >>> hits = np.arange(20) < 12
    >>> mcnemar(hits, np.arange(20) < 10), round(mcnemar(hits, np.zeros(20, dtype=bool)), 5)
    (0.5, 0.00049)
    """
    only_ours = int(np.count_nonzero(ours & ~theirs))
    only_theirs = int(np.count_nonzero(theirs & ~ours))
    either = only_ours + only_theirs
    if either < EXACT_BELOW:
        fewer = min(only_ours, only_theirs)
        ways = sum(math.comb(either, n) for n in range(fewer + 1))
        return min(1.0, math.ldexp(2 * ways, -either))
    apart = float(max(0, abs(only_ours - only_theirs) - 1))
    return math.erfc(apart / math.sqrt(2 * either))
