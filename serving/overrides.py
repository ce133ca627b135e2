"""A request's own rules, laid over those of the settings."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from schemas.errors import RequestRefused
from schemas.slate_rules import SlateRules
from serving import scorer_pb2 as pb
from serving.requests import checked_id

MOST_NAMES = 1_000
_NUMBERS = ("category_share", "seller_share", "diversity", "freshness")


def overridden(rules: SlateRules, said: pb.SlateRules) -> SlateRules:
    """Return the rules of one slate.

    Blocklists and pins are added to; the bounds of sponsored items can only be made narrower.

    Raises
    ------
    RequestRefused
        A value is out of bounds, or a list too long; the message names it.
    """
    changes: dict[str, object] = {n: getattr(said, n) for n in _NUMBERS if said.HasField(n)}
    if said.HasField("most_sponsored"):
        changes["most_sponsored"] = min(said.most_sponsored, rules.most_sponsored)
    if said.HasField("sponsored_from"):
        changes["sponsored_from"] = max(said.sponsored_from, rules.sponsored_from)
    if said.HasField("explore_every"):
        changes["explore_every"] = said.explore_every
    if said.pins:
        own = {place: checked_id(f"rules.pins[{place}]", item) for place, item in said.pins.items()}
        changes["pins"] = rules.pins | own
    if said.sponsored:
        changes["sponsored"] = (*_names("sponsored", said.sponsored), *rules.sponsored)
    if said.blocked_items:
        blocked = _names("blocked_items", said.blocked_items)
        changes["blocked_items"] = rules.blocked_items.union(blocked)
    if said.blocked_categories:
        blocked = _names("blocked_categories", said.blocked_categories)
        changes["blocked_categories"] = rules.blocked_categories.union(blocked)
    try:
        return msgspec.structs.replace(rules, **changes) if changes else rules
    except ValueError as error:
        raise RequestRefused(f"`rules`: {error}") from None


def _names(field: str, names: Iterable[str]) -> list[str]:
    found = list(names)
    if len(found) > MOST_NAMES:
        raise RequestRefused(f"`rules.{field}` names {len(found)}: send {MOST_NAMES} at most")
    return found
