"""Settings of how a slate is made of what was ranked."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from schemas.model_config import DAY_MS
from schemas.settings_section import Section
from schemas.slate_rules import MOST_PLACES, SlateRules

Share = Annotated[float, Field(ge=0, le=1)]


def _places(pins: dict[str, str]) -> dict[str, str]:
    for place in pins:
        if not (place.isascii() and place.isdigit() and int(place) < MOST_PLACES):
            raise ValueError(f"{place!r} is no place in a slate: use 0 to {MOST_PLACES - 1}")
    return pins


class SlatesSettings(Section):
    """How the scorer makes a slate of what was ranked; a request may say otherwise of its own."""

    category_share: Share = Field(
        default=0.4,
        description="The largest share of a slate that one category may have, at least one item. "
        "An item's category is the first that the catalogue gives it; without one it is not "
        "capped. 1 turns it off.",
    )
    seller_share: Share = Field(
        default=1.0,
        description="The largest share of a slate that one seller may have, at least one item. 1 "
        "turns it off.",
    )
    diversity: Share = Field(
        default=0.0,
        description="How much unlikeness to the items above counts against score (maximal marginal "
        "relevance): 0 turns it off, 1 minds nothing else.",
    )
    freshness: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="How many standard deviations of the candidates' scores a brand-new item "
        "gains. 0 turns it off.",
    )
    fresh_half_life_ms: float = Field(
        default=DAY_MS,
        ge=1_000,
        le=365 * DAY_MS,
        description="Milliseconds after its first event at which an item has half of that gain.",
    )
    pins: Annotated[dict[str, str], AfterValidator(_places)] = Field(
        default={},
        description="Items by place, from 0: {0 = 'tea'}. One that the request may not see, or "
        "that the model does not know, is left out.",
    )
    sponsored: list[str] = Field(
        default=[],
        description="Items to show as sponsored, best first, beside those that the catalogue calls "
        "so. Replies label them.",
    )
    most_sponsored: int = Field(
        default=1,
        ge=0,
        le=MOST_PLACES,
        description="The most sponsored items in a slate. A request can lower it alone.",
    )
    sponsored_from: int = Field(
        default=3,
        ge=0,
        le=MOST_PLACES,
        description="The first place, from 0, that a sponsored item may take. A request can raise "
        "it alone.",
    )
    blocked_items: list[str] = Field(
        default=[], description="Items that are never shown; requests can add to them."
    )
    blocked_categories: list[str] = Field(
        default=[],
        description="Categories of which nothing is ever shown; requests can add to them.",
    )
    explore_every: int = Field(
        default=10,
        ge=0,
        le=MOST_PLACES,
        description="The last of so many places goes to an item that is new, or that little is "
        "known of. 0 turns it off; replay never explores.",
    )
    guaranteed_impressions: int = Field(
        default=50,
        ge=0,
        le=MOST_PLACES,
        description="Impressions by this scorer that a new item is owed, and events below which "
        "little is known of one.",
    )
    age_field: str = Field(
        default="age",
        min_length=1,
        max_length=64,
        description="The field of a request's context that tells the age in years. Without it, "
        "nothing is shown that has a min_age.",
    )
    region_field: str = Field(
        default="region",
        min_length=1,
        max_length=64,
        description="The field of a request's context that tells the region. Without it, nothing "
        "is shown that names regions, or blocked_regions.",
    )

    def rules(self) -> SlateRules:
        """Return these settings as the rules that slates are made by."""
        fields = self.model_dump()
        return SlateRules(
            **{
                **fields,
                "pins": {int(place): item for place, item in self.pins.items()},
                "sponsored": tuple(self.sponsored),
                "blocked_items": frozenset(self.blocked_items),
                "blocked_categories": frozenset(self.blocked_categories),
            }
        )
