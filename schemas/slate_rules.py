"""The rules by which a slate is made of what was ranked."""

from __future__ import annotations

import math

from msgspec import Struct

from schemas.model_config import DAY_MS

MOST_PLACES = 1_000


class SlateRules(Struct, frozen=True, kw_only=True):
    """How candidates that were ranked become a slate.

    What is out of stock, deleted, bought, disliked, or barred by age or region is in no slate: that
    is no rule that could be turned off, see ``online_models.reranking.permit``.

    Parameters
    ----------
    category_share, seller_share
        The largest share of a slate that one category (an item's first) or one seller may have, but
        at least one item. 1 turns the cap off. Items without the field are not capped.
    diversity
        0 ranks by score alone, 1 by unlikeness alone. 0 turns it off.
    freshness
        How many standard deviations of the candidates' scores an item gains that is brand new.
        0 turns it off.
    fresh_half_life_ms
        The age at which half of that gain is left.
    pins
        Items by place, from 0.
    sponsored
        Items to show as sponsored, best first, beside those that the catalogue calls so.
    most_sponsored, sponsored_from
        How many sponsored items a slate may hold, and the first place, from 0, that one may take.
    blocked_items, blocked_categories
        Never shown; a category bars every item that has it, be it not the first.
    explore_every
        The last of so many places goes to an item that is new, or that little is known of, where
        the scorer explores. 0 turns it off.
    guaranteed_impressions
        Impressions that a new item is owed, and events below which little is known of one.
    age_field, region_field
        The fields of a request's context that tell age, in years, and region.
    """

    category_share: float = 0.4
    seller_share: float = 1.0
    diversity: float = 0.0
    freshness: float = 0.0
    fresh_half_life_ms: float = DAY_MS
    pins: dict[int, str] = {}
    sponsored: tuple[str, ...] = ()
    most_sponsored: int = 1
    sponsored_from: int = 3
    blocked_items: frozenset[str] = frozenset()
    blocked_categories: frozenset[str] = frozenset()
    explore_every: int = 0
    guaranteed_impressions: int = 50
    age_field: str = "age"
    region_field: str = "region"

    def __post_init__(self) -> None:
        for name, most in (("category_share", 1), ("seller_share", 1), ("diversity", 1)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, it must lie within 0 and {most}"
                )
        if not 0 <= self.freshness <= 100:
            raise ValueError(f"freshness is {self.freshness}, it must lie within 0 and 100")
        if not 0 < self.fresh_half_life_ms < math.inf:
            raise ValueError(
                f"fresh_half_life_ms is {self.fresh_half_life_ms}, it must be positive and finite"
            )
        for name in ("most_sponsored", "sponsored_from", "explore_every", "guaranteed_impressions"):
            if not 0 <= getattr(self, name) <= MOST_PLACES:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, it must lie within 0 and {MOST_PLACES}"
                )
        for place in self.pins:
            if not 0 <= place < MOST_PLACES:
                raise ValueError(f"pins name place {place}, there are 0 to {MOST_PLACES - 1}")
