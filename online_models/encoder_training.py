"""The encoder's learning side; its gradients are written out.

References
----------
Y. Bengio, J.-S. Senécal: Adaptive Importance Sampling to Accelerate Training of a Neural
Probabilistic Language Model. IEEE TNN 19(4), 2008 (the correction of sampled logits).
X. Yi et al.: Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations.
RecSys 2019. https://doi.org/10.1145/3298689.3346996
J. Duchi, E. Hazan, Y. Singer: Adaptive Subgradient Methods. JMLR 12, 2011.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from online_models import encoder_kernels as kernels
from online_models.encoder import HEADS, READS, RECENT, USES, VECTORS, Encoder
from online_models.rows import distinct
from online_models.tables import Table

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class EncoderTrainer:
    """Fine-tunes an encoder, one micro-batch at a time, touching only the rows that take part.

    Sampled softmax over the batch's own items and ``negatives`` more, 9 of 10 drawn from the last
    8,192 positives, which is sampling by recent popularity, the rest from all items. Each logit is
    lowered by the log of how often its item is expected among the candidates. Row-wise Adagrad:
    one accumulator for a row, the mean of its squared gradients.

    Parameters
    ----------
    encoder
        Written in place; touched rows are marked.
    negatives
        At most; fewer for batches of less than 12, which would touch, and publish, too many rows
        for what they teach. More make the step dearer, and twice as many were no better.
    learning_rate
        Of Adagrad.
    seed
        With the step, decides the draws.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        negatives: int = 256,
        uniform_share: float = 0.1,
        learning_rate: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.encoder, self.seed = encoder, seed
        self.negatives, self.uniform_share = negatives, uniform_share
        self.learning_rate = learning_rate

    def remember(self, targets: Rows, trained: int) -> None:
        """Note positives as the recent ones to draw from; ``trained`` came before them."""
        places = (trained + np.arange(len(targets))) % RECENT
        self.encoder.recent.array[places] = targets
        self.encoder.recent.mark(places)

    def learn(
        self,
        targets: Rows,
        histories: Rows,
        weights: Floats,
        *,
        contexts: Rows,
        size: int,
        step: int,
        free: Collection[int] = (),
    ) -> float:
        """Take one step; return the mean loss before it, in nats.

        Parameters
        ----------
        targets
            Of shape ``(batch,)``.
        histories
            Of the unit and of the user's others, newest first, padded with -1, of shape
            ``(batch, PARTS, window)``; one of both holds an item.
        weights
            Of shape ``(batch,)``.
        contexts
            Slots of the queries' contexts, padded with -1, of shape ``(batch, most)``.
        size
            How many rows the item table uses.
        step
            Seeds the draws.
        free
            Those of these rows that hold no item: whoever gets one must find it untouched.
        """
        encoder = self.encoder
        histories = histories[:, :, : encoder.window]
        candidates, log_expected = self._candidates(targets, size, step, free)
        attention = np.zeros((len(histories), HEADS, histories.shape[2]), dtype=np.float32)
        queries = np.empty((len(targets), encoder.dimensions + 1), dtype=np.float32)
        kernels.read(
            READS,
            USES,
            histories,
            contexts,
            *encoder.pulls(),
            encoder.input.array,
            encoder.context.array,
            attention,
            queries,
        )
        vectors = encoder.output.array[candidates]
        scores = queries @ vectors.T  # (batch, candidates)
        scores -= log_expected
        wanted = np.arange(len(targets)), candidates.searchsorted(targets)
        losses = _softmax(scores, wanted)
        scores[wanted] -= 1
        scores *= weights[:, None]  # now the loss's slopes by the scores
        slopes = scores @ vectors
        self._step_inputs(histories, attention, slopes)
        self._step_contexts(contexts, slopes)
        self._step(encoder.output, encoder.output_energy, candidates, scores.T @ queries)
        return float(losses.mean())

    def _candidates(
        self, targets: Rows, size: int, step: int, free: Collection[int]
    ) -> tuple[Rows, Floats]:
        """Return candidate rows in rising order and the log of their expected occurrences."""
        generator = np.random.default_rng([self.seed, step])
        recent = self.encoder.recent.array
        if recent.min() < 0:
            recent = recent[recent >= 0]
        negatives = min(self.negatives, 64 + 16 * len(targets))
        uniform = int(negatives * self.uniform_share)
        popular = negatives - uniform if len(recent) else 0
        drawn = recent[generator.integers(0, len(recent), popular)] if popular else targets
        anywhere = generator.integers(0, size, uniform)
        if free:
            held = [row for row in anywhere.tolist() if row not in free]
            anywhere = np.array(held, dtype=np.int64)
        candidates = distinct(np.concatenate([targets, drawn, anywhere]))
        counts = kernels.occurrences(recent, candidates, size) + 1.0
        frequency = counts / (len(recent) + 1.0)
        expected = frequency * (popular + len(targets)) + uniform / size
        return candidates, np.log(expected).astype(np.float32)

    def _step_inputs(self, histories: Rows, attention: Floats, slopes: Floats) -> None:
        encoder = self.encoder
        rows = distinct(histories[histories >= 0])
        gradient = np.zeros((len(rows), VECTORS, encoder.dimensions), dtype=np.float32)
        positions = np.zeros_like(encoder.positions.array)
        kernels.spread(
            READS,
            USES,
            histories,
            attention,
            slopes,
            encoder.input.array,
            rows,
            gradient,
            positions,
        )
        self._step(encoder.input, encoder.input_energy, rows, gradient)
        energy = encoder.position_energy.array
        energy += np.square(positions)
        rate = self.learning_rate / np.sqrt(energy + np.float32(1e-8))
        encoder.positions.array -= rate * positions
        encoder.positions.mark_all()
        encoder.touch()
        encoder.position_energy.mark_all()

    def _step_contexts(self, contexts: Rows, slopes: Floats) -> None:
        encoder = self.encoder
        slots = distinct(contexts[contexts >= 0])
        if len(slots):
            gradient = np.zeros((len(slots), encoder.dimensions), dtype=np.float32)
            kernels.spread_contexts(contexts, slopes, slots, gradient)
            self._step(encoder.context, encoder.context_energy, slots, gradient)

    def _step(self, table: Table, energy: Table, rows: Rows, gradient: Floats) -> None:
        rate, width = np.float32(self.learning_rate), gradient.shape[-1]
        vectors = table.array.reshape(len(table.array), -1, width)  # a view, as those below
        energies = energy.array.reshape(len(vectors), -1)
        slopes = gradient.reshape(len(rows), vectors.shape[1], width)
        kernels.adagrad(vectors, energies, rows, slopes, rate)
        table.mark(rows)
        energy.mark(rows)


def _softmax(scores: Floats, wanted: tuple[Rows, Rows]) -> Floats:
    """Turn scores into shares of each row, in place; return the losses of the wanted ones."""
    scores -= scores.max(axis=1, keepdims=True)
    of_wanted = scores[wanted]
    np.exp(scores, out=scores)
    totals = scores.sum(axis=1)
    scores /= totals[:, None]
    losses: Floats = np.log(totals) - of_wanted
    return losses
