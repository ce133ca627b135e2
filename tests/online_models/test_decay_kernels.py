from __future__ import annotations

import numpy as np

from online_models.decay import FOREVER, Landmarks
from online_models.decay_kernels import increments
from online_models.tables import Table
from tests.builders import START_MS


def test_a_learner_fades_counts_as_a_request_does() -> None:
    landmarks = Landmarks("x", (60_000.0, 3_600_000.0, FOREVER), (Table("x.counts", (3,)),))
    landmarks.move(START_MS)
    times_ms = np.array([START_MS - 10**9, START_MS, START_MS + 90_000, START_MS + 10**12]) * 1.0
    wanted = landmarks.increments(times_ms)
    np.testing.assert_allclose(increments(landmarks, times_ms), wanted, rtol=1e-6)
    assert wanted[1].tolist() == [1, 1, 1]
