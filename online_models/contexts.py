"""The context of events: which of its values are followed, and what is popular where each holds.

References
----------
G. Cormode, S. Muthukrishnan: An Improved Data Stream Summary: The Count-Min Sketch and its
Applications. Journal of Algorithms 55(1), 2005 (how rare values are told from frequent ones).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec.msgpack import encode

from online_models.agreed import EVERYTHING
from online_models.context_fields import ContextFields, hash_of
from online_models.decay import Landmarks
from online_models.moments import told
from online_models.rows import NO_ROWS, Rows
from online_models.tables import Table
from schemas.events import Scalar
from schemas.model_log import Scale

Floats = npt.NDArray[np.float32]

MOST = 10
"""Followed values that one event or request counts with, of its moment too: the first by slot."""
BUCKETS, HASHES = 1_024, 2
SIGHTED_EVERY = 4
"""One event in so many tells how frequent its values are: that costs more than to count them."""
WINDOW_EVENTS = 4_096
LEAST_SIGHTINGS, LEAST_SHARE = 8, 1 / 256
PRIOR_EVENTS = 20.0
"""As if so many events of each value had been like those of all others."""
NO_MOMENT: Mapping[str, Scalar] = {}
CLEARED = 4_096
"""The exponent of a power of two by which any count is divided to nothing."""


class Sighting(NamedTuple):
    """What an event adds to the sketch.

    Parameters
    ----------
    fields
        Of the keys of its values.
    buckets, counts
        Places in the flat sketch, and how many of the keys fall on each.
    """

    fields: dict[int, str]
    buckets: Rows
    counts: Floats


class Contexts:
    """Decayed counts of items for each value of the context that is frequent enough.

    Fields find themselves: whatever value of whatever field comes with one event in 256 or more is
    followed in one of ``slots`` slots, so that regions, devices, referrers are, and ids, prices or
    addresses of one request each are not. How often a value comes is estimated by a count-min
    sketch of one event in four that is halved every 4,096; a new frequent value takes the slot of
    the rarest one if it comes twice as often.

    An item's lift by a value is the log of its share of the value's events over its share of all
    events, both decayed alike, the first one drawn to the second where there are few events.

    Parameters
    ----------
    half_life_ms
        Of the counts. Short ones follow the news, long ones know more items.
    slots
        Values followed at most, of all fields together; an item takes 4 bytes for each and 4 more.
    """

    def __init__(self, half_life_ms: float, *, slots: int = 80) -> None:
        self.keys = Table("contexts.keys", (slots + 1,), dtype=np.int64, by_row=False)
        self.counts = Table("contexts.counts", (slots + 1,), index_dims=2)
        self.totals = Table("contexts.totals", (slots + 1,), by_row=False)
        self.sketch = Table(
            "contexts.sketch", (HASHES, BUCKETS), by_row=False, index_dims=2, learner_only=True
        )
        self.sighted = Table("contexts.sighted", (1,), by_row=False, learner_only=True)
        self.fields = ContextFields(slots + 1)
        self.landmarks = Landmarks("contexts", (half_life_ms,), (self.counts, self.totals))
        self.tables = (
            *(self.keys, self.counts, self.totals, self.landmarks.table),
            *(self.sketch, self.sighted, *self.fields.tables),
        )
        self._slots: dict[int, int] | None = None
        self._found: dict[bytes, Rows] = {}
        self._sightings: dict[bytes, Sighting] = {}
        self._hashes: dict[tuple[str, str], int] = {}

    def slots_of(
        self, context: Mapping[str, Scalar], moment: Mapping[str, Scalar] = NO_MOMENT
    ) -> Rows:
        """Return the slots of those values that are followed, in rising order, ``MOST`` at most.

        Those of a query's moment are among them. The array is nobody's to write: the next context
        alike gets the same one.
        """
        if not context and not moment:
            return NO_ROWS
        packed = encode((context, moment))  # unlike the values themselves, it tells 1 from True
        found = self._found.get(packed)
        if found is None:
            _bound(self._found)
            found = self._found[packed] = self._find(told(context, moment))
        return found

    def wanted(
        self, context: Mapping[str, Scalar], moment: Mapping[str, Scalar] = NO_MOMENT
    ) -> list[tuple[int, str, int]]:
        """Sight the values of an event; return those that want a slot, one at most.

        Returned are a value's key, its field, and the slot.

        A value of a field that has several such values waits for the next event.
        """
        fields = self._sight(context, moment).fields
        held = self._held()
        missing = [key for key in fields if key not in held and self._frequent(key)]
        placed = [(key, fields[key], self._slot_for(key)) for key in missing[:1]]
        return [(key, field, slot) for key, field, slot in placed if slot != EVERYTHING]

    def give(self, key: int, field: str, slot: int) -> Iterator[Scale]:
        """Give a slot to a key; yield the scaling that clears what the slot held, to be applied."""
        if self.keys.array[slot]:
            yield Scale(self.counts.name, slot, CLEARED)
            yield Scale(self.totals.name, slot, CLEARED)
        self.keys.array[slot] = key
        self.keys.mark(slot)
        self.fields.note(slot, field)
        self.touch()

    def touch(self) -> None:
        """Tell that keys changed."""
        self._slots = None
        self._found.clear()

    def lifts(self, rows: Rows, slots: Rows, now_ms: float) -> Floats:
        """Return each row's lift by each slot, of shape ``(rows, slots)``."""
        if not len(slots):
            return np.zeros((len(rows), 0), dtype=np.float32)
        fresh = self.landmarks.fresh(now_ms)
        few = np.float32(PRIOR_EVENTS) * fresh
        totals = self.totals.array
        shares = self.counts.array[rows, EVERYTHING] / max(totals[EVERYTHING], few[0])
        shares += np.float32(1e-6)
        lifts = self.counts.array[rows, slots[:, None]]  # (slots, rows): short loops take longer
        lifts += few * shares
        lifts /= (totals[slots] + few)[:, None] * shares
        return np.log(lifts, out=lifts).T

    def _find(self, context: Mapping[str, Scalar]) -> Rows:
        held = self._held()
        keys = [self._key(field, value) for field, value in context.items()]
        slots = sorted([held[key] for key in keys if key in held])
        return np.array(slots[:MOST], dtype=np.int64)

    def _held(self) -> dict[int, int]:
        if self._slots is None:
            keys = self.keys.array.tolist()
            self._slots = {key: slot for slot, key in enumerate(keys) if key}
        return self._slots

    def _key(self, field: str, value: Scalar) -> int:
        """Return what stands for a value; a request's text is as good as an event's number."""
        text = str(value).lower() if isinstance(value, bool) else str(value)
        key = self._hashes.get((field, text))
        if key is None:
            _bound(self._hashes)
            key = self._hashes[field, text] = hash_of(f"{field}\x1f{text}")
        return key

    def _sight(self, context: Mapping[str, Scalar], moment: Mapping[str, Scalar]) -> Sighting:
        packed = encode((context, moment))
        sighting = self._sightings.get(packed)
        if sighting is None:
            _bound(self._sightings)
            sighting = self._sightings[packed] = self._sighting(told(context, moment))
        self.sketch.array.reshape(-1)[sighting.buckets] += sighting.counts
        self.sketch.dirty.reshape(-1)[sighting.buckets] = True
        self.sighted.array[0] += 1
        if self.sighted.array[0] >= WINDOW_EVENTS:
            self.sketch.array /= 2
            self.sighted.array /= 2
            self.sketch.mark_all()
        self.sighted.mark_all()
        return sighting

    def _sighting(self, context: Mapping[str, Scalar]) -> Sighting:
        fields = {self._key(field, value): field for field, value in context.items()}
        counts = Counter(bucket for key in fields for bucket in _buckets(key))
        buckets = np.array([*counts], dtype=np.int64)
        return Sighting(fields, buckets, np.array([*counts.values()], dtype=np.float32))

    def _seen(self, key: int) -> float:
        sketch = self.sketch.array.reshape(-1)
        return min(float(sketch[bucket]) for bucket in _buckets(key))

    def _frequent(self, key: int) -> bool:
        return self._seen(key) >= max(LEAST_SIGHTINGS, LEAST_SHARE * float(self.sighted.array[0]))

    def _slot_for(self, key: int) -> int:
        """Return a free slot, or the rarest value's; ``EVERYTHING`` where none is to be had."""
        keys = self.keys.array[1:]
        free = np.flatnonzero(keys == 0)
        if len(free):
            return int(free[0]) + 1
        seen = [self._seen(held) for held in keys.tolist()]
        rarest = int(np.argmin(seen))
        return rarest + 1 if 2 * seen[rarest] < self._seen(key) else EVERYTHING


@lru_cache(maxsize=WINDOW_EVENTS)
def _buckets(key: int) -> list[int]:
    """Return the places of a key in the flat sketch, one in each row."""
    return [row * BUCKETS + (key >> (20 * row)) % BUCKETS for row in range(HASHES)]


def _bound(kept: dict[Any, Any]) -> None:
    """Forget all that is kept, where it is as much as a window's."""
    if len(kept) >= WINDOW_EVENTS:
        kept.clear()
