from __future__ import annotations

import numpy as np
import pytest
import torch

from online_models.encoder import Encoder
from online_models.encoder_training import EncoderTrainer

SIZE = 60
TARGETS = np.array([4, 9, 4])
HISTORIES = np.array(
    [
        [[1, 2, -1, -1], [9, 1, -1, -1]],
        [[7, -1, -1, -1], [-1, -1, -1, -1]],
        [[2, 2, 9, 1], [8, 2, 2, 8]],
    ]
)
CONTEXTS = np.array([[1, 3], [-1, -1], [3, -1]])
WEIGHTS = np.array([1.0, 0.3, 5.0], dtype=np.float32)


def made(**options: float) -> EncoderTrainer:
    encoder = Encoder(6, window=3, contexts=5)
    for table in encoder.tables:
        table.grow(SIZE)
    for row in range(SIZE):
        encoder.welcome(row, np.random.default_rng(row))
    encoder.output.array[:, -1] = np.linspace(-1, 1, SIZE)
    trainer = EncoderTrainer(encoder, **options)  # type: ignore[arg-type]
    trainer.remember(np.arange(30) % 12, 0)
    for table in encoder.tables:
        list(table.collect())
    return trainer


def step(trainer: EncoderTrainer, n: int = 0) -> float:
    return trainer.learn(TARGETS, HISTORIES, WEIGHTS, contexts=CONTEXTS, size=SIZE, step=n)


def test_a_step_equals_a_dense_one_in_torch() -> None:
    trainer = made(negatives=40)
    encoder = trainer.encoder
    candidates, log_expected = trainer._candidates(TARGETS, SIZE, 0, ())
    leaves = [
        torch.tensor(t.array, requires_grad=True)
        for t in (encoder.input, encoder.output, encoder.positions, encoder.context)
    ]
    inputs, outputs, positions, contexts = leaves
    total, losses = torch.zeros(()), []
    asked = zip(TARGETS, HISTORIES, CONTEXTS, WEIGHTS, strict=True)
    for target, history, slots, weight in asked:
        query = contexts[slots[slots >= 0].tolist()].sum(dim=0)
        for head, (part, vectors) in enumerate([(0, 0), (0, 1), (1, 0)]):
            read = [row for row in history[part, :3].tolist() if row >= 0]
            attention = torch.softmax(positions[head, : len(read)], 0)
            for a, row in zip(attention, read, strict=True):
                query = query + a * inputs[row, vectors]
        scores = outputs[candidates][:, :-1] @ query + outputs[candidates][:, -1]
        scores = scores - torch.tensor(log_expected)
        wanted = int(np.searchsorted(candidates, target))
        losses.append(torch.logsumexp(scores, 0) - scores[wanted])
        total = total + losses[-1] * float(weight)
    total.backward()
    loss = step(trainer)
    assert loss == pytest.approx(np.mean([one.item() for one in losses]), rel=1e-5)
    for table, leaf, dense in zip(
        (encoder.input, encoder.output, encoder.positions, encoder.context),
        leaves,
        (False, False, True, False),
        strict=True,
    ):
        gradient = leaf.grad
        assert gradient is not None
        energy = gradient**2 if dense else (gradient**2).mean(-1, keepdim=True)
        moved = leaf - 0.1 * gradient / torch.sqrt(energy + 1e-8)
        np.testing.assert_allclose(table.array, moved.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_only_rows_that_take_part_are_touched() -> None:
    trainer = made(negatives=20)
    before = {table.name: table.array.copy() for table in trainer.encoder.tables}
    candidates, _ = trainer._candidates(TARGETS, SIZE, 0, ())
    step(trainer)
    for table, rows in (
        *((t, [1, 2, 7, 8, 9]) for t in (trainer.encoder.input, trainer.encoder.input_energy)),
        *(
            (t, candidates.tolist())
            for t in (trainer.encoder.output, trainer.encoder.output_energy)
        ),
    ):
        differs = (table.array != before[table.name]).reshape(SIZE, -1).any(axis=1)
        assert np.flatnonzero(table.dirty).tolist() == rows
        assert set(np.flatnonzero(differs)) <= set(rows)


def test_a_step_lowers_the_loss_on_its_own_batch() -> None:
    trainer = made()
    first = step(trainer)
    assert step(trainer) < first
    for _ in range(30):
        last = step(trainer)
    assert last < 0.2 * first


def test_draws_depend_on_seed_and_step_alone() -> None:
    one, same, other = made(seed=1), made(seed=1), made(seed=2)
    for trainer in (one, same, other):
        step(trainer, 5)
    np.testing.assert_array_equal(one.encoder.output.array, same.encoder.output.array)
    assert (one.encoder.output.array != other.encoder.output.array).any()


def test_the_correction_is_the_log_of_the_expected_draws() -> None:
    trainer = made(negatives=400)
    rng = np.random.default_rng(0)
    trainer.remember(rng.choice(12, p=np.arange(1, 13) / 78, size=8_000), 0)
    recent = trainer.encoder.recent.array
    recent = recent[recent >= 0]
    candidates, log_expected = trainer._candidates(np.arange(SIZE), SIZE, 0, ())
    assert candidates.tolist() == list(range(SIZE))
    draws = np.bincount(recent, minlength=SIZE) / len(recent) * (360 + SIZE) + 40 / SIZE
    np.testing.assert_allclose(np.exp(log_expected)[:12], draws[:12], rtol=0.02)
    assert np.exp(log_expected)[12:] == pytest.approx(40 / SIZE, rel=0.1)


def test_the_last_positives_are_remembered_in_a_ring() -> None:
    trainer = made()
    trainer.remember(np.arange(5), 8_190)
    recent = trainer.encoder.recent
    assert recent.array[[8_190, 8_191, 0, 1, 2]].tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(recent.dirty).tolist() == [0, 1, 2, 8_190, 8_191]


def test_rows_without_an_item_are_not_drawn() -> None:
    trainer = made(negatives=512)
    free = set(range(20, SIZE))
    candidates, _ = trainer._candidates(TARGETS, SIZE, 0, free)
    assert not free & set(candidates.tolist())


def test_the_first_batch_has_nothing_recent_to_draw_from() -> None:
    trainer = made()
    trainer.encoder.recent.array[:] = -1
    assert np.isfinite(step(trainer))
