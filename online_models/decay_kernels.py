"""Forward decay, compiled: a learner asks for it with each micro-batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from online_models.agreed import MAX_EXPONENT
from online_models.compiled import jit
from online_models.decay import Landmarks


def increments(landmarks: Landmarks, times_ms: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return what ``Landmarks.increments`` does, of shape ``(times, channels)``."""
    most = MAX_EXPONENT + 1.0
    grown: npt.NDArray[np.float32] = _increments(
        times_ms, landmarks.table.array, landmarks.half_lives_ms, most
    )
    return grown


@jit
def _increments(times_ms: Any, landmarks_ms: Any, half_lives_ms: Any, most: float) -> Any:
    grown = np.empty((len(times_ms), len(landmarks_ms)), dtype=np.float32)
    for event in range(len(times_ms)):
        for channel in range(len(landmarks_ms)):
            exponent = (times_ms[event] - landmarks_ms[channel]) / half_lives_ms[channel]
            grown[event, channel] = np.exp2(min(exponent, most))
    return grown
