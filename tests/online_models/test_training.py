from __future__ import annotations

import pytest

from online_models.lists import Lists
from tests.builders import START_MS, Stream, chains, learn, learner


@pytest.mark.parametrize(("micro_batch", "steps"), [(16, 1), (32, 1), (64, 2), (128, 5)])
def test_the_ranker_takes_a_step_for_some_two_dozen_lists(
    micro_batch: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    learning, known = learner(micro_batch=micro_batch), 5 * 128
    learning.learn_many(chains(1_000)[:known])  # so that the targets are candidates
    lists: list[int] = []
    ranker = learning._training.ranker
    learn_from = ranker.learn

    def counted(some: Lists) -> float:
        lists.append(len(some.lengths))
        return learn_from(some)

    monkeypatch.setattr(ranker, "learn", counted)
    learning.learn_many(chains(1_000)[known : known + micro_batch])
    assert len(lists) == steps
    assert 12 <= min(lists) <= max(lists) <= 36


def test_a_failure_of_the_encoder_beside_the_ranker_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Stream()
    for n in range(64):
        stream.add(f"s{n // 4}", f"i{n % 9}", START_MS + n)
    learning = learn(stream.examples[:32], lists_every=1)
    steps = learning.state.progress.step

    def fail(*_: object, **__: object) -> float:
        raise FloatingPointError("the encoder's step failed")

    monkeypatch.setattr(learning._training.encoder, "learn", fail)
    with pytest.raises(FloatingPointError, match="the encoder's step failed"):
        learning.learn_many(stream.examples[32:])
    assert learning.state.progress.step == steps
