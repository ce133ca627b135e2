"""The encoder's learning side, in torch.

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
import torch

from online_models.encoder import RECENT, Encoder
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
        At most; fewer for batches of less than 28, which would touch, and publish, too many rows
        for what they teach. More make the softmax more exact and the step dearer.
    learning_rate
        Of Adagrad.
    seed
        With the step, decides the draws.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        negatives: int = 512,
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
        self.encoder.recent.dirty[places] = True

    def learn(
        self,
        targets: Rows,
        histories: Rows,
        weights: Floats,
        *,
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
            Newest first, padded with -1, of shape ``(batch, window)``; none is empty.
        weights
            Of shape ``(batch,)``.
        size
            How many rows the item table uses.
        step
            Seeds the draws.
        free
            Those of these rows that hold no item: whoever gets one must find it untouched.
        """
        encoder = self.encoder
        histories = histories[:, : encoder.window]
        candidates, log_expected = self._candidates(targets, size, step, free)
        inputs = np.unique(histories[histories >= 0])
        rows_in = _leaf(encoder.input.array[inputs])
        rows_out = _leaf(encoder.output.array[candidates])
        positions = _leaf(encoder.positions.array)

        held = torch.from_numpy(histories >= 0)
        places = torch.from_numpy(np.searchsorted(inputs, np.maximum(histories, inputs[0])))
        logits = positions.expand(held.shape).masked_fill(~held, -torch.inf)
        attention = torch.softmax(logits, dim=1)  # (batch, window)
        read = rows_in[places.clamp_(max=len(inputs) - 1)]  # (batch, window, dimensions)
        query = torch.einsum("bw,bwd->bd", attention, read)  # (batch, dimensions)
        scores = query @ rows_out[:, :-1].T + rows_out[:, -1]  # (batch, candidates)
        scores = scores - torch.from_numpy(log_expected)
        wanted = torch.from_numpy(np.searchsorted(candidates, targets))
        losses = torch.nn.functional.cross_entropy(scores, wanted, reduction="none")
        share = torch.from_numpy(weights)
        (losses * share).sum().backward()

        self._step(encoder.input, encoder.input_energy, inputs, rows_in)
        self._step(encoder.output, encoder.output_energy, candidates, rows_out)
        self._step_positions(positions)
        return float(losses.detach().mean())

    def _candidates(
        self, targets: Rows, size: int, step: int, free: Collection[int]
    ) -> tuple[Rows, Floats]:
        """Return candidate rows in rising order and the log of their expected occurrences."""
        generator = np.random.default_rng([self.seed, step])
        recent = self.encoder.recent.array[self.encoder.recent.array >= 0]
        negatives = min(self.negatives, 64 + 16 * len(targets))
        uniform = int(negatives * self.uniform_share)
        popular = negatives - uniform if len(recent) else 0
        drawn = recent[generator.integers(0, len(recent), popular)] if popular else targets
        draws = generator.integers(0, size, uniform).tolist()
        anywhere = np.array([row for row in draws if row not in free], dtype=np.int64)
        candidates = np.unique(np.concatenate([targets, drawn, anywhere]))
        counts = np.bincount(recent, minlength=size)[candidates] + 1.0
        frequency = counts / (len(recent) + 1.0)
        expected = frequency * (popular + len(targets)) + uniform / size
        return candidates, np.log(expected).astype(np.float32)

    def _step(self, table: Table, energy: Table, rows: Rows, leaf: torch.Tensor) -> None:
        assert leaf.grad is not None
        gradient = leaf.grad.numpy()
        energy.array[rows] += np.square(gradient).mean(axis=1)
        rate = self.learning_rate / np.sqrt(energy.array[rows] + np.float32(1e-8))
        table.array[rows] -= rate[:, None] * gradient
        table.dirty[rows] = True
        energy.dirty[rows] = True

    def _step_positions(self, leaf: torch.Tensor) -> None:
        assert leaf.grad is not None
        gradient = leaf.grad.numpy()
        self.encoder.position_energy.array += np.square(gradient)
        rate = self.learning_rate / np.sqrt(self.encoder.position_energy.array + np.float32(1e-8))
        self.encoder.positions.array -= rate * gradient
        self.encoder.positions.mark_all()
        self.encoder.position_energy.mark_all()


def _leaf(values: npt.NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(np.array(values)).requires_grad_()
