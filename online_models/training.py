"""What happens when a micro-batch is full: encoder and ranker take a step, stale items leave."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import msgspec
import numpy as np

from online_models.encoder_training import EncoderTrainer
from online_models.examination import Sighting
from online_models.items import UNKNOWN
from online_models.micro_batch import MicroBatch
from online_models.newcomers import Newcomers
from online_models.ranker_training import RankerTrainer
from online_models.state import ModelState
from schemas.model_log import Entry, Evict

LISTS_A_STEP = 24
"""Of the ranker. Smaller steps learn more from each list; all the lists of a young stream make
three."""


class Training:
    """The trained parts of a model.

    Encoder and ranker write, and read, different tables, and spend their time in loops that don't
    hold the interpreter: they learn side by side, and both are done before anything else goes on.

    Parameters
    ----------
    state
        Written in place.
    """

    def __init__(self, state: ModelState) -> None:
        self.state = state
        self.encoder = EncoderTrainer(state.encoder, seed=state.config.seed)
        self.ranker = RankerTrainer(state.ranker)
        self.newcomers = Newcomers(state)
        self._thread = ThreadPoolExecutor(1, "encoder")

    def step(self, batch: MicroBatch) -> list[Entry]:
        """Learn from a micro-batch whose events have been counted."""
        progress = self.state.progress
        if len(batch.lists):
            encoded = self._thread.submit(self._encode, batch)
            try:
                self._examine(batch)
                self._rank(batch)
            finally:
                encoded.result()
        else:
            self._encode(batch)
            self._examine(batch)
        self.state.progress = msgspec.structs.replace(
            progress, step=progress.step + 1, trained=progress.trained + len(batch)
        )
        self.newcomers.refresh(progress.step)
        return self._evict(batch.size)

    def _examine(self, batch: MicroBatch) -> None:
        """Learn how far slates are looked at, by the ranker that has not learnt from them yet."""
        if batch.slates:
            score = self.state.ranker.scores
            self.state.examination.learn(
                [Sighting(places, score(table), at) for table, places, at in batch.slates]
            )

    def _rank(self, batch: MicroBatch) -> None:
        """Take steps of about ``LISTS_A_STEP`` lists each, as even as they come."""
        count = len(batch.lists)
        steps = max(1, round(count / LISTS_A_STEP))
        for start, end in pairwise(count * n // steps for n in range(steps + 1)):
            self.ranker.learn(batch.lists.part(start, end))

    def _encode(self, batch: MicroBatch) -> None:
        filled, examples = len(batch), batch.examples
        targets, window = examples.targets[:filled], self.state.encoder.window
        histories = np.stack(
            [examples.histories[:filled, :window], examples.earlier[:filled]],
            axis=1,  # (filled, PARTS, window)
        )
        known = targets != UNKNOWN
        follows = known & (histories[:, :, 0] != UNKNOWN).any(axis=1)
        progress = self.state.progress
        if follows.any():
            self.encoder.learn(
                targets[follows],
                histories[follows],
                examples.weights[:filled][follows],
                contexts=examples.asked[:filled][follows],
                size=self.state.items.size,
                step=progress.step,
                free=self.state.items.free,
            )
        self.encoder.remember(targets[known], progress.trained)

    def _evict(self, room: int) -> list[Entry]:
        """Free rows, so that the next micro-batch can't run out of them."""
        items = self.state.items
        if len(items) + room <= items.capacity:
            return []
        entry = Evict(tuple(items.stalest(at_least=room).tolist()))
        self.state.apply(entry)
        return [entry]
