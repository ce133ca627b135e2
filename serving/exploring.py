"""How often this scorer has shown which item, and the seed of each slate."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from online_models.reranking.exploring import Exploration

MOST_ITEMS = 100_000
"""Items that are counted, some 10 MB; those not shown for longest are forgotten, and begin anew."""


class Explorer:
    """Counts impressions as they are served.

    The count is the scorer's own, as the model's log carries none: it begins anew with the process,
    and each of several scorers owes a new item its impressions.
    """

    def __init__(self, *, most_items: int = MOST_ITEMS) -> None:
        self.impressions: OrderedDict[str, int] = OrderedDict()
        self._most_items = most_items

    def of(self, request_id: str) -> Exploration:
        """Return what a slate explores with; the same request draws the same."""
        return Exploration(int(request_id, 16), self.impressions)

    def served(self, item_ids: Iterable[str]) -> None:
        """Count the items of a slate."""
        for item_id in item_ids:
            self.impressions[item_id] = self.impressions.pop(item_id, 0) + 1
        while len(self.impressions) > self._most_items:
            self.impressions.popitem(last=False)
