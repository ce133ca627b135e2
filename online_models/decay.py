"""Counts that fade: forward decay, and the stream's own clock.

Under forward decay an event at time t adds 2**((t - landmark) / half_life) and nothing that is
stored ever changes, so untouched counts keep their order, late events get their due weight, and
only touched cells go into the log. When the exponent grows past 60 the landmark moves and the
table is divided by a power of two, which is exact.

References
----------
G. Cormode, V. Shkapenyuk, D. Srivastava, B. Xu: Forward Decay: A Practical Time Decay Model for
Streaming Systems. ICDE 2009. https://doi.org/10.1109/ICDE.2009.65
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from online_models.agreed import MAX_EXPONENT
from online_models.derived import Derived
from online_models.tables import Table
from schemas.model_log import Scale

FOREVER = math.inf


class Landmarks:
    """The moments from which the channels of some tables count their decay.

    Parameters
    ----------
    half_lives_ms
        One for each channel, positive; ``FOREVER`` does not decay.
    tables
        The tables whose last dimension holds these channels, once or several times over.
    """

    def __init__(self, name: str, half_lives_ms: Sequence[float], tables: Sequence[Table]) -> None:
        if not half_lives_ms or min(half_lives_ms) <= 0:
            raise ValueError(f"half_lives_ms is {half_lives_ms}, each must be positive")
        self.half_lives_ms = np.asarray(half_lives_ms, dtype=np.float64)
        self.table = Table(
            f"{name}.landmarks", (len(half_lives_ms),), dtype=np.float64, fill=-1.0, by_row=False
        )
        self._decaying = tuple(tables)
        self._fresh = Derived(self._increments_now)

    def due(self, time_ms: float) -> bool:
        """Return whether the landmarks must move before an event of this time is counted."""
        return bool(self.table.array[0] < 0 or time_ms > self.due_at_ms())

    def due_at_ms(self) -> float:
        """Return the event time from which on the landmarks must move."""
        return float((self.table.array + MAX_EXPONENT * self.half_lives_ms).min())

    def move(self, time_ms: float) -> list[Scale]:
        """Move what is due to about ``time_ms`` and return the scalings, already applied."""
        landmarks = self.table.array
        if landmarks[0] < 0:
            landmarks[:] = time_ms
            self.table.mark_all()
            return []
        exponents = np.floor((time_ms - landmarks) / self.half_lives_ms)
        scales = []
        for channel in np.flatnonzero(exponents >= MAX_EXPONENT):
            exponent = int(min(exponents[channel], 2**30))
            landmarks[channel] += exponents[channel] * self.half_lives_ms[channel]
            for table in self._decaying:
                scales += self._scale(table, int(channel), exponent)
        self.table.mark_all()
        return scales

    def _scale(self, table: Table, channel: int, exponent: int) -> list[Scale]:
        channels = len(self.half_lives_ms)
        entries = [
            Scale(table.name, repeat * channels + channel, exponent)
            for repeat in range(table.array.shape[-1] // channels)
        ]
        for entry in entries:
            table.scale(entry.channel, entry.exponent)
        return entries

    def increments(self, times_ms: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Return what one event counts on each channel, of shape ``(*times, channels)``."""
        exponents = (times_ms[..., None] - self.table.array) / self.half_lives_ms
        return np.exp2(np.minimum(exponents, MAX_EXPONENT + 1)).astype(np.float32)

    def fresh(self, now_ms: float, times: int = 1) -> npt.NDArray[np.float32]:
        """Return what one event of now counts on each channel, all channels so many times over.

        The array, of shape ``(times * channels,)``, is nobody's to write.
        """
        return self._fresh.of(self.table.array, now_ms, times)

    def _increments_now(
        self, _landmarks: object, now_ms: float, times: int
    ) -> npt.NDArray[np.float32]:
        return np.tile(self.increments(np.array([now_ms]))[0], times)


class StreamClock:
    """The newest event time that can be trusted.

    A single event far ahead of all others, from a device with a wrong clock, would fade everything
    else. The clock passes a gap of more than ``tolerance_ms`` only when the next event is beyond
    the gap too; until then the odd one counts at the present time.
    """

    def __init__(
        self, now_ms: int = 0, ahead_ms: int | None = None, *, tolerance_ms: int = 3_600_000
    ) -> None:
        self.now_ms, self.ahead_ms, self._tolerance_ms = now_ms, ahead_ms, tolerance_ms

    def advance(self, time_ms: int) -> int:
        """Take an event's time in; return the time at which the event counts."""
        if time_ms <= self.now_ms + self._tolerance_ms or self.now_ms == 0:
            self.now_ms = max(self.now_ms, time_ms)
            self.ahead_ms = None
        elif self.ahead_ms is not None:
            self.now_ms = min(time_ms, self.ahead_ms)
            self.ahead_ms = None if time_ms <= self.now_ms + self._tolerance_ms else time_ms
        else:
            self.ahead_ms = time_ms
        return min(time_ms, self.now_ms)
