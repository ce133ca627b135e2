"""Which items that a user chose before lead to an item, and what each counts."""

from __future__ import annotations

from msgspec import Struct

from online_models.items import ItemTable
from online_models.recommender import Ranking
from online_models.rows import Rows


class PastItem(Struct, frozen=True):
    """An item of the past, and its share in what rules or encoder think of the explained one."""

    item_id: str
    share: float


def past_items(ranking: Ranking, row: int) -> tuple[PastItem, ...]:
    """Return the items of the unit from which rules lead to a row, the largest share first."""
    state = ranking.state
    rules = state.rules
    history: Rows = ranking.candidates.history[: rules.scoring_window]
    norms = rules.norms(history, float(state.progress.time_ms))
    holds = rules.ids.array[history] == row  # (history, neighbours)
    weights = (rules.weights.array[history] * holds[:, :, None]).sum(axis=1) * norms
    return _shares(state.items, history, rules.blend(weights).tolist())


def earlier_items(ranking: Ranking, row: int) -> tuple[PastItem, ...]:
    """Return the items of other sessions that speak for a row in the encoder, likewise."""
    state, earlier = ranking.state, ranking.candidates.asked.earlier
    return _shares(state.items, earlier, state.encoder.parts(earlier, row).tolist())


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
