"""The ranker: one small network that weighs what the sources say, in numpy on both sides."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from online_models.derived import Derived
from online_models.tables import Table

Floats = npt.NDArray[np.float32]


class Ranker:
    """Scores candidates by their features: a linear part plus one hidden layer.

    ``score = z · linear + relu(z · hidden + bias) · out`` with ``z`` the features, standardised by
    their running mean and deviation. All parameters lie in one flat table, so that a replica takes
    them over as one. They are the running mean of those that are trained, which jump about it.

    Parameters
    ----------
    prior
        The linear weights to start from, one for each feature: what ranks until lists are learnt.
    hidden
        Units of the hidden layer.
    unheard
        So many of the last features start without weights in the hidden layer. Where they are
        always 0, all is as if they were not there.
    """

    def __init__(self, prior: Floats, *, hidden: int = 64, seed: int = 0, unheard: int = 0) -> None:
        self.features, self.hidden = len(prior), hidden
        size = self.features + self.features * hidden + hidden + hidden
        self.parameters = Table("ranker.parameters", (size,), by_row=False)
        self.norms = Table("ranker.norms", (2, self.features), by_row=False)
        generator = np.random.default_rng(seed)
        linear, weights, _, _ = self.parts(self.parameters.array)
        linear[:] = prior
        heard = self.features - unheard
        weights[:heard] = generator.standard_normal((heard, hidden)) / np.sqrt(heard)
        self.norms.array[1] = 1.0
        self.parameters.mark_all()
        self.norms.mark_all()
        self._scale = Derived(_scale)
        self.trained = Table("ranker.trained", (size,), by_row=False, learner_only=True)
        self.trained.array[:] = self.parameters.array
        self.trained.mark_all()
        self.moments = Table("ranker.moments", (2, size), by_row=False, learner_only=True)
        # The lists that steps were taken for, of each step ``ranker_training.WHOLE`` at most.
        self.steps = Table("ranker.steps", (1,), dtype=np.int64, by_row=False, learner_only=True)
        self.tables = (self.parameters, self.norms, self.trained, self.moments, self.steps)

    def parts(self, flat: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return views of a flat vector: linear, hidden weights, hidden biases, output weights."""
        n, h = self.features, self.hidden
        weights = flat[n : n + n * h].reshape(n, h)
        return flat[:n], weights, flat[n + n * h : n + n * h + h], flat[n + n * h + h :]

    def standardise(self, features: Floats) -> Floats:
        """Return features less their mean, over their deviation, within ±6."""
        return self._standardise(features, np.empty_like(features))

    def scores(self, features: Floats) -> Floats:
        """Return the scores of candidates, of shape ``(candidates,)``; pure."""
        n, flat = self.features, self.parameters.array
        z = np.empty((len(features), n + 1), dtype=np.float32, order="F")
        self._standardise(features, z[:, :n])
        z[:, n] = 1  # it meets the biases, which lie behind the hidden weights
        biased = flat[n : -self.hidden].reshape(n + 1, self.hidden)
        active: Floats = z @ biased  # (candidates, hidden)
        active.clip(0, np.inf, out=active)
        scores: Floats = active @ flat[-self.hidden :]
        scores += z[:, :n] @ flat[:n]
        return scores

    def _standardise(self, features: Floats, z: Floats) -> Floats:
        np.subtract(features, self.norms.array[0], out=z)
        z *= self._scale.of(self.norms.array[1])
        return z.clip(-6, 6, out=z)


def _scale(variance: Floats) -> Floats:
    scale: Floats = 1 / np.sqrt(variance + np.float32(1e-6))
    return scale
