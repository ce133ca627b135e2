"""Which items that a user chose, and which of their neighbours, lead to an item."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from online_models.items import ItemTable
from online_models.recommender import Ranking
from online_models.rows import Rows
from online_models.rules import Rules

Floats = npt.NDArray[np.float32]


class PastItem(Struct, frozen=True):
    """An item that leads to another, and its share in what rules or encoder think of that one."""

    item_id: str
    share: float


def past_items(ranking: Ranking, row: int) -> tuple[PastItem, ...]:
    """Return the items of the unit from which rules lead to a row, the largest share first."""
    state = ranking.state
    rules = state.rules
    history: Rows = ranking.candidates.history[: rules.scoring_window]
    norms = rules.norms(history, float(state.progress.time_ms))
    return _shares(state.items, history, rules.blend(_counts(rules, history, row) * norms).tolist())


def relays(ranking: Ranking, row: int) -> tuple[PastItem, ...]:
    """Return the neighbours through whom rules tell of a row at second hand, likewise."""
    rules, now_ms = ranking.state.rules, float(ranking.state.progress.time_ms)
    found = rules.neighbours(ranking.candidates.history, now_ms)
    neighbours, worth = rules.relays(found, now_ms)
    parts = (_counts(rules, neighbours, row) * worth).sum(axis=1)
    return _shares(ranking.state.items, neighbours, parts.tolist())


def earlier_items(ranking: Ranking, row: int) -> tuple[PastItem, ...]:
    """Return the items of other sessions that speak for a row in the encoder, likewise."""
    state, earlier = ranking.state, ranking.candidates.asked.earlier
    return _shares(state.items, earlier, state.encoder.parts(earlier, row).tolist())


def _counts(rules: Rules, sources: Rows, row: int) -> Floats:
    """Return how often a row came after and before each source, of shape ``(n, channels)``."""
    holds = rules.ids.array[sources] == row  # (sources, neighbours)
    counts: Floats = (rules.weights.array[sources] * holds[:, :, None]).sum(axis=1)
    return counts


def _shares(items: ItemTable, rows: Rows, parts: list[float]) -> tuple[PastItem, ...]:
    """Return the shares of what counts for it; an item that comes twice is told once."""
    total = sum(part for part in parts if part > 0)
    shares: dict[str, float] = {}
    for past, part in zip(rows.tolist(), parts, strict=True):
        if part > 0:
            item_id = items.id_of(past)
            shares[item_id] = shares.get(item_id, 0.0) + part / total
    found = [PastItem(item_id, share) for item_id, share in shares.items()]
    return tuple(sorted(found, key=lambda past: -past.share))
