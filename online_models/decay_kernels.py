"""Forward decay as compiled loops count by it; see ``decay``."""

from __future__ import annotations

from typing import Any

import numpy as np

from online_models.compiled import jit
from online_models.decay import MAX_EXPONENT


@jit
def increments(times_ms: Any, landmarks_ms: Any, half_lives_ms: Any) -> Any:
    """Return what ``Landmarks.increments`` does, of shape ``(times, channels)``."""
    grown = np.empty((len(times_ms), len(landmarks_ms)), dtype=np.float32)
    for event in range(len(times_ms)):
        for channel in range(len(landmarks_ms)):
            exponent = (times_ms[event] - landmarks_ms[channel]) / half_lives_ms[channel]
            grown[event, channel] = np.exp2(min(exponent, MAX_EXPONENT + 1.0))
    return grown
