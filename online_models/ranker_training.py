"""The ranker's learning side: listwise softmax over the candidates of whole lists.

References
----------
Z. Cao et al.: Learning to Rank: From Pairwise Approach to Listwise Approach. ICML 2007.
D. Kingma, J. Ba: Adam: A Method for Stochastic Optimization. ICLR 2015.
https://arxiv.org/abs/1412.6980
B. Polyak, A. Juditsky: Acceleration of Stochastic Approximation by Averaging. SIAM J. Control
Optim. 30(4), 1992. https://doi.org/10.1137/0330046
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models import ranker_kernels as kernels
from online_models.lists import Lists
from online_models.ranker import Ranker

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
BETA_1, BETA_2 = 0.9, 0.999
WHOLE = 16
"""Lists of a whole step. Where events are few, micro-batches close by time with a list or two, and
whole steps would follow each of them."""


class RankerTrainer:
    """Learns from lists of candidates of which one was chosen.

    A step of fewer than ``WHOLE`` lists is a share of one: running means go that share of their
    way, and Adam's step is shorter by its root, as the mean of fewer lists is less sure by it.
    So it matters little how a stream was cut.

    Adam takes long steps, that lead fast to where a young stream's answers are; what ranks is the
    running mean of its steps, which does not follow each list.

    Parameters
    ----------
    ranker
        Written in place.
    learning_rate
        Of Adam.
    memory
        The share of the running mean that a step leaves as it is; young models forget faster.
    slowest_norm
        The least share with which a step's lists move the running mean and deviation.
    """

    def __init__(
        self,
        ranker: Ranker,
        *,
        learning_rate: float = 4e-3,
        memory: float = 0.99,
        slowest_norm: float = 1e-3,
    ) -> None:
        self.ranker, self.learning_rate = ranker, learning_rate
        self.memory, self.slowest_norm = memory, slowest_norm
        self._z = np.empty((0, ranker.features), dtype=np.float32)
        self._active = np.empty((0, ranker.hidden), dtype=np.float32)

    def learn(self, lists: Lists) -> float:
        """Take one step over lists; return the mean loss.

        Lists with features that are not finite teach nothing, and would spoil the norms for good:
        with one among them no step is taken, and the loss is NaN.
        """
        features, lengths, places, weights = lists
        ends = np.cumsum(lengths)
        starts = ends - lengths
        chosen = starts + places
        lists_taken = min(len(lengths), WHOLE)
        if not self._observe(features, ends, lists_taken):
            return float("nan")
        z, active = self._room(len(features))
        mean, variance = self.ranker.norms.array
        kernels.standardise(features, mean, variance, z)
        linear, hidden, biases, out = self.ranker.parts(self.ranker.trained.array)
        np.matmul(z, hidden, out=active)  # (candidates, hidden)
        kernels.activate(active, biases)
        scores = z @ linear + active @ out
        scores -= np.repeat(np.maximum.reduceat(scores, starts), lengths)
        exps = np.exp(scores)
        totals = np.add.reduceat(exps, starts)
        error = exps / np.repeat(totals, lengths)  # the softmax of each list
        losses = np.log(totals) - scores[chosen]
        error[chosen] -= 1
        error *= np.repeat(weights, lengths) / np.float32(weights.sum())
        self._adam(z, active, error.astype(np.float32), out, lists_taken / WHOLE)
        return float(losses.mean())

    def _room(self, candidates: int) -> tuple[Floats, Floats]:
        """Return where features and activations of so many go: new memory costs as much as sums."""
        if len(self._z) < candidates:
            self._z = np.empty((2 * candidates, self.ranker.features), dtype=np.float32)
            self._active = np.empty((2 * candidates, self.ranker.hidden), dtype=np.float32)
        return self._z[:candidates], self._active[:candidates]

    def _observe(self, features: Floats, ends: Rows, lists_taken: int) -> bool:
        """Take a step, and move the running mean and variance towards these features'.

        ``ends`` tells where each list ends. Return whether it was taken: it is not where any of the
        features is no finite number.
        """
        norms, count = self.ranker.norms.array, len(features)
        off, squares = np.zeros((2, self.ranker.features))
        kernels.tally(features, ends, norms[0], off, squares)
        if not np.isfinite(squares).all():
            return False
        self.ranker.steps.array[0] += lists_taken
        self.ranker.steps.mark_all()
        least = self.slowest_norm * lists_taken / WHOLE
        share = max(lists_taken / int(self.ranker.steps.array[0]), least)
        off, squares = off / count, squares / count
        moved = share * off
        variance = squares - 2 * moved * off + np.square(moved)  # around the mean that has moved
        norms[0] += moved
        norms[1] += share * (np.maximum(variance, 0) - norms[1])
        self.ranker.norms.mark_all()
        return True

    def _adam(self, z: Floats, active: Floats, error: Floats, out: Floats, share: float) -> None:
        gradient = np.empty_like(self.ranker.parameters.array)
        linear, hidden, biases, output = self.ranker.parts(gradient)
        linear[:] = error @ z
        output[:] = error @ active
        kernels.slopes(active, error, out)
        hidden[:] = z.T @ active
        biases[:] = np.ones(len(active), dtype=np.float32) @ active
        steps = int(self.ranker.steps.array[0]) / WHOLE
        trained, moments, mean = self.ranker.trained, self.ranker.moments, self.ranker.parameters
        kernels.adam(
            gradient,
            moments.array,
            trained.array,
            mean.array,
            np.array([1 - BETA_1**share, 1 - BETA_2**share], dtype=np.float32),
            np.array([1 - BETA_1**steps, 1 - BETA_2**steps], dtype=np.float32),
            np.float32(self.learning_rate * share**0.5),
            np.float32(share * max(1 - self.memory, 9 / (10 + steps))),
        )
        for table in (trained, moments, mean):
            table.mark_all()
