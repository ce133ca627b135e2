"""Hard rules: what must not be shown to whom. They hold on every path, and nothing overrides them.

================  ==================================================================================
name              an item is barred when
================  ==================================================================================
deleted           the catalogue says that it is gone
out_of_stock      the catalogue says so
min_age           the request's ``age`` is below the item's, or is missing, or is no number
region            the item names regions and the request's ``region`` is none of them, or is missing
blocked_region    the item is blocked somewhere, and the request's ``region`` is there, or missing
blocked_item      settings or request block it
blocked_category  settings or request block one of its categories
seen              the user disliked or bought it, or, where repeats are excluded, has had it
================  ==================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from msgspec import Struct

from online_models.facets import Facets
from online_models.items import ItemTable
from online_models.rows import NO_ROWS, Mask, Rows, distinct, member
from schemas.events import ItemUpdate, Scalar
from schemas.examples import Query
from schemas.slate_rules import SlateRules

UNKNOWN_AGE = -1.0


class Permit(Struct, frozen=True):
    """Which rows a request may be shown.

    ``barred`` are rows in rising order that the user must not be shown again; ``servable`` tells of
    every row whether this request may be shown it at all, and ``narrows`` whether it bars any item.
    """

    barred: Rows
    servable: Mask
    narrows: bool

    @property
    def bars(self) -> bool:
        """Whether any row at all may not be shown."""
        return self.narrows or len(self.barred) > 0

    def allows(self, rows: Rows) -> Mask:
        """Return which rows may be shown."""
        if not len(self.barred):
            return self.servable[rows] if self.narrows else np.ones(len(rows), dtype=bool)
        return self.servable[rows] & ~member(rows, self.barred)

    def of(self, rows: Rows) -> Rows:
        """Return those rows that may be shown, in their order."""
        return rows[self.allows(rows)] if self.bars else rows


def permit(items: ItemTable, query: Query, rules: SlateRules) -> Permit:
    """Return what a request may be shown of the items that have a row."""
    rows = items.rows_of(query.seen)
    if rules.blocked_items:
        rows += items.rows_of(rules.blocked_items)
    barred = distinct(np.array(rows, dtype=np.int64)) if rows else NO_ROWS
    servable, facets = items.servable, items.facets
    narrows = items.unservable > 0
    if facets.bounds.used:
        servable = servable & facets.bounds.mask(len(servable), _within(facets, query, rules))
        narrows = True
    if rules.blocked_categories and facets.categories.used:
        free = _unblocked(facets, rules)
        servable = servable & facets.categories.mask(len(servable), free)
        narrows = True
    return Permit(barred, servable, narrows)


def barring(item_id: str, word: ItemUpdate | None, query: Query, rules: SlateRules) -> str:
    """Return the name of the hard rule that bars an item, ``""`` where none does.

    Says of one item, whether it has a row or not, what ``permit`` says of all rows. ``word`` is the
    catalogue's.
    """
    if item_id in query.seen:
        return "seen"
    if item_id in rules.blocked_items:
        return "blocked_item"
    if word is None:
        return ""
    if word.deleted:
        return "deleted"
    if not word.in_stock:
        return "out_of_stock"
    if not rules.blocked_categories.isdisjoint(word.categories):
        return "blocked_category"
    return _bounded(word.min_age, word.regions, word.blocked_regions, query.context, rules)


def age_of(context: Mapping[str, Scalar], rules: SlateRules) -> float:
    """Return the age in years that a context tells; ``UNKNOWN_AGE``, which is too young, if none.

    Examples
    --------
    >>> age_of({"age": "17.5"}, SlateRules()), age_of({"age": True}, SlateRules())
    (17.5, -1.0)
    """
    told = context.get(rules.age_field)
    if told is None or isinstance(told, bool):
        return UNKNOWN_AGE
    try:
        age = float(told)
    except (ValueError, OverflowError):
        return UNKNOWN_AGE
    return age if math.isfinite(age) else UNKNOWN_AGE


def _bounded(
    min_age: int,
    regions: tuple[str, ...],
    blocked_regions: tuple[str, ...],
    context: Mapping[str, Scalar],
    rules: SlateRules,
) -> str:
    if min_age and age_of(context, rules) < min_age:
        return "min_age"
    region = str(context.get(rules.region_field, ""))
    if regions and (not region or region not in regions):
        return "region"
    if blocked_regions and (not region or region in blocked_regions):
        return "blocked_region"
    return ""


def _within(facets: Facets, query: Query, rules: SlateRules) -> Mask:
    within = np.ones(len(facets.bounds.values), dtype=bool)
    for bound, number in facets.bounds.numbers():
        within[number] = not _bounded(*bound, query.context, rules)
    return within


def _unblocked(facets: Facets, rules: SlateRules) -> Mask:
    free = np.ones(len(facets.categories.values), dtype=bool)
    for categories, number in facets.categories.numbers():
        free[number] = rules.blocked_categories.isdisjoint(categories)
    return free
