"""Where nothing follows from anything, what trends is the best to be had, and slates come to it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from flows.sources.file import FileSource
from online_models.learner import Learner
from online_models.metrics import reciprocal_ranks
from online_models.prequential import Evaluator
from online_models.state import ModelState
from schemas.events import Interaction
from schemas.examples import Example
from schemas.model_config import ModelConfig
from tests.builders import SMALL, START_MS, Stream

DATA = Path(os.environ.get("RILLREC_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
RSC15 = DATA / "rsc15-100k" / "events.csv.gz"
NEVER_BELOW = 0.85
"""Of what popularity reaches: what is learnt of noise costs something, while it is little."""


def planted(events: int, *, items: int = 150) -> list[tuple[str, str, int]]:
    """Return sessions of six events in which four of five follow from the one before."""
    rng = np.random.default_rng(0)
    trend = 1 / (1 + np.arange(items)) ** 0.8
    chosen: list[int] = []
    for n in range(events):
        jumps = n % 6 == 0 or rng.random() < 0.2
        chosen.append(
            int(rng.choice(items, p=trend / trend.sum())) if jumps else (7 * chosen[-1] + 3) % items
        )
    return [(f"s{n // 6}", f"i{item}", START_MS + 5_000 * n) for n, item in enumerate(chosen)]


def shuffled(events: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """Return the same sessions at the same times, with the items dealt out anew."""
    items = np.random.default_rng(1).permutation([item for _, item, _ in events]).tolist()
    return [(unit, item, ms) for (unit, _, ms), item in zip(events, items, strict=True)]


def examples(events: list[tuple[str, str, int]]) -> list[Example]:
    stream = Stream()
    for unit, item, time_ms in events:
        stream.add(unit, item, time_ms)
    return stream.examples


def over_popularity(
    events: list[tuple[str, str, int]], config: ModelConfig, *, score_every: int = 1
) -> float:
    """Return the last half's MRR@20 over that of what trends."""
    state = ModelState(config)
    evaluator = Evaluator(state, score_every=score_every)
    learning = Learner(state, observer=evaluator, publish_interval_ms=None)
    learning.learn_many(examples(events))
    run = evaluator.reported()
    own, theirs = run.column("rank")[run.late], run.ranks("popularity")[run.late]
    return float(reciprocal_ranks(own, 20).mean() / reciprocal_ranks(theirs, 20).mean())


def test_a_stream_with_shuffled_items_falls_to_popularity() -> None:
    events = planted(5_000)
    assert over_popularity(events, SMALL) > 3
    assert NEVER_BELOW < over_popularity(shuffled(events), SMALL) < 1.2


@pytest.mark.slow
@pytest.mark.skipif(not RSC15.exists(), reason=f"{RSC15} is not there")
def test_a_real_stream_with_shuffled_items_falls_to_popularity() -> None:
    [partition] = (source := FileSource(RSC15)).list_parts()
    reading = source.build_part("read", partition, None)
    events: list[tuple[str, str, int]] = []
    while len(events) < 10_000:
        for batch in reading.next_batch():
            happenings, _ = source.decoder(batch.records, now_ms=2**42)
            events += [
                (event.user_id, event.item_id, event.time_ms)
                for _, event, _ in happenings
                if isinstance(event, Interaction)
            ]
    reading.close()
    dealt = shuffled(events[:10_000])
    assert over_popularity(dealt, ModelConfig(), score_every=2) > NEVER_BELOW
