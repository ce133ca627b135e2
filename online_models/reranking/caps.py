"""Caps: how much of a slate one category, or one seller, may take."""

from __future__ import annotations

from collections import Counter

from online_models.facets import NONE, Facets
from online_models.rows import Rows
from schemas.slate_rules import SlateRules

CAPS = ("category_share", "seller_share")


class Caps:
    """Counts what a slate holds, and tells what it may not hold more of.

    Parameters
    ----------
    rows
        The candidates'.
    count
        The length of the slate: of ``n`` places one category takes ``share * n`` at most, rounded
        down, but at least one.
    """

    def __init__(self, facets: Facets, rows: Rows, rules: SlateRules, count: int) -> None:
        self._codes: list[tuple[str, int, list[int], Counter[int]]] = []
        for name, share, facet in (
            ("category_share", rules.category_share, facets.primary),
            ("seller_share", rules.seller_share, facets.sellers),
        ):
            if share < 1 and facet.used:
                most = max(1, int(share * count + 1e-9))
                self._codes.append((name, most, facet.of(rows).tolist(), Counter()))

    def __bool__(self) -> bool:
        return bool(self._codes)

    def exceeded(self, place: int) -> str:
        """Return the cap that a candidate would break, ``""`` where it breaks none."""
        for name, most, codes, held in self._codes:
            if codes[place] != NONE and held[codes[place]] >= most:
                return name
        return ""

    def take(self, place: int) -> None:
        """Count a candidate that the slate holds."""
        for _, _, codes, held in self._codes:
            held[codes[place]] += 1
