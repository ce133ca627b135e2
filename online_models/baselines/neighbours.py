"""Session neighbours, learnt one event at a time: what similar recent units went on with."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable
from heapq import nlargest

from msgspec import Struct, field

from schemas.examples import Example, Query

HALF_LIVES_MS = (2 * 3_600_000.0, 86_400_000.0, 5 * 86_400_000.0)


class _Unit(Struct, gc=False):
    """A unit's items, oldest first, and its newest event."""

    items: list[str] = field(default_factory=list)
    newest_ms: int = 0


class SessionNeighbours:
    """V-SkNN with the decays of STAN, incremental and bounded.

    The units that share an item with the query's last ones are weighed by how late in the query
    the shared items stand (``exp(-steps / 2)``) and by how long ago they ended; the ``k`` best vote
    for their own items, those near the shared one most (``exp(-distance / 3)``).

    Departs from the papers in that a neighbour's age counts by the mean of three half-lives (2 h,
    1 day, 5 days), as one setting has to do for news and for shops, and in that votes are not
    weighed by inverse document frequency.

    Memory: at most ``capacity`` units of ``unit_length`` items, some 150 bytes an item, and
    ``per_item`` keys for each item of them.

    Parameters
    ----------
    k
        Neighbours that vote. More finds rarer items, and blurs.
    per_item
        The newest units kept for each item. More costs time in proportion.
    capacity
        The most units kept; those silent for longest leave.
    unit_length
        The newest items kept of a unit.

    References
    ----------
    M. Ludewig, D. Jannach: Evaluation of session-based recommendation algorithms. UMUAI 28, 2018.
    https://doi.org/10.1007/s11257-018-9209-6 (V-SkNN)
    D. Garg et al.: Sequence and Time Aware Neighborhood for Session-based Recommendations: STAN.
    SIGIR 2019. https://doi.org/10.1145/3331184.3331322
    """

    def __init__(
        self,
        *,
        k: int = 100,
        per_item: int = 300,
        capacity: int = 100_000,
        unit_length: int = 50,
        window: int = 10,
    ) -> None:
        for name, value in (
            ("k", k),
            ("per_item", per_item),
            ("capacity", capacity),
            ("unit_length", unit_length),
            ("window", window),
        ):
            if value < 1:
                raise ValueError(f"{name} is {value}, it must be at least 1")
        self.k, self.per_item, self.capacity = k, per_item, capacity
        self.unit_length, self.window = unit_length, window
        self._units: OrderedDict[str, _Unit] = OrderedDict()
        self._holders: dict[str, deque[str]] = {}
        self._now_ms = 0

    def __len__(self) -> int:
        return len(self._units)

    def learn_one(self, example: Example) -> None:
        """Add an event to its unit; what carries no weight teaches nothing."""
        self._now_ms = max(self._now_ms, example.time_ms)
        if example.weight <= 0:
            return
        key, item_id = example.query.unit_key, example.item_id
        unit = self._units.setdefault(key, _Unit())
        self._units.move_to_end(key)
        if item_id not in unit.items:
            self._holders.setdefault(item_id, deque(maxlen=self.per_item)).append(key)
        unit.items.append(item_id)
        unit.newest_ms = max(unit.newest_ms, example.time_ms)
        if len(unit.items) > self.unit_length:
            self._let_go(key, [unit.items.pop(0)], kept=unit.items)
        if len(self._units) > self.capacity:
            stalest, left = self._units.popitem(last=False)
            self._let_go(stalest, left.items, kept=[])

    def predict_one(
        self, query: Query, k: int, *, allowed: Callable[[str], bool] = lambda _: True
    ) -> list[str]:
        """Return at most ``k`` items, best first, none that was seen or is not allowed."""
        votes: dict[str, float] = {}
        weights = self._weights(query)
        for unit, alike in self._neighbours(query, weights):
            self._vote(unit, alike, weights, votes)
        for item_id in query.seen:
            votes.pop(item_id, None)
        most = k + 64  # that many of the best may be out of stock
        best = nlargest(most, votes.items(), key=_by_vote)
        return [item_id for item_id, _ in best if allowed(item_id)][:k]

    def _weights(self, query: Query) -> dict[str, float]:
        """Return what each of the query's last items counts; twice in it, it counts as the last."""
        newest = query.history[-self.window :]
        return {item_id: math.exp((n + 1 - len(newest)) / 2) for n, item_id in enumerate(newest)}

    def _neighbours(self, query: Query, weights: dict[str, float]) -> list[tuple[_Unit, float]]:
        alike: dict[str, float] = {}
        for item_id, weight in weights.items():
            for key in self._holders.get(item_id, ()):
                alike[key] = alike.get(key, 0.0) + weight
        alike.pop(query.unit_key, None)
        units = self._units
        aged = [(units[key], shared * self._recency(units[key])) for key, shared in alike.items()]
        return nlargest(self.k, aged, key=_by_likeness)

    def _recency(self, unit: _Unit) -> float:
        age_ms = max(0, self._now_ms - unit.newest_ms)
        return sum(math.exp2(-age_ms / half_life_ms) for half_life_ms in HALF_LIVES_MS)

    def _vote(
        self, unit: _Unit, alike: float, weights: dict[str, float], votes: dict[str, float]
    ) -> None:
        items = unit.items
        shared = max(range(len(items)), key=lambda n: (weights.get(items[n], 0.0), n))
        share = alike / math.sqrt(len(items))
        for n, item_id in enumerate(items):
            near = _NEARNESS[min(abs(n - shared), len(_NEARNESS) - 1)]
            votes[item_id] = votes.get(item_id, 0.0) + share * near

    def _let_go(self, key: str, items: list[str], *, kept: list[str]) -> None:
        """Let items know a unit no more, but those that it has kept."""
        for item_id in set(items).difference(kept):
            holders = self._holders.get(item_id)
            if holders is None:
                continue
            if key in holders:
                holders.remove(key)
            if not holders:
                del self._holders[item_id]


_NEARNESS = [math.exp(-distance / 3) for distance in range(51)]


def _by_vote(voted: tuple[str, float]) -> tuple[float, str]:
    return voted[1], voted[0]


def _by_likeness(neighbour: tuple[_Unit, float]) -> float:
    return neighbour[1]
