"""How the places of a slate are given: first the fixed ones, then the best of the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from online_models.reranking.caps import Caps
from schemas.slate_rules import SlateRules


class Filling:
    """A slate that is being filled with places of candidates.

    What is fixed counts first under the caps. A sponsored item never stands above
    ``sponsored_from``, and there are never more than ``most_sponsored``: rather the slate is
    shorter, and a pin is not kept.

    Parameters
    ----------
    special
        The places of the sponsored candidates.
    count
        How many places there are.

    Attributes
    ----------
    slate
        What was chosen, best first.
    moves, passed, relaxed
        As of ``Arranged``.
    """

    def __init__(self, caps: Caps, special: set[int], rules: SlateRules, count: int) -> None:
        self.caps, self.special, self.count = caps, special, count
        self.most, self.first = rules.most_sponsored, rules.sponsored_from
        self.slate: list[int] = []
        self.moves: dict[int, tuple[str, ...]] = {}
        self.passed: dict[int, str] = {}
        self.relaxed: list[str] = []
        self._fixed: dict[int, int] = {}
        self._used: set[int] = set()
        self._lifts: dict[str, int] = {}  # how many each rule has passed over
        self._sponsored = 0
        self._waiting: list[int] = []  # sponsored ones that came too high up
        self._kept_out: list[int] = []  # by a cap

    def pin(self, wanted: Mapping[int, int]) -> None:
        """Give candidates the spots that they are pinned to, as far as there are such spots."""
        for spot, place in sorted(wanted.items()):
            if spot < self.count and place not in self._used and self._may_stand(place, spot):
                self._fix(spot, place, "pin")

    def sponsor(self, listed: Sequence[int]) -> None:
        """Give sponsored candidates the first spots that are free and low enough."""
        free = iter([n for n in range(self.first, self.count) if n not in self._fixed])
        for place in listed:
            if place in self._used:
                continue
            spot = next(free, None) if self._sponsored < self.most else None
            if spot is None:
                self.passed[place] = "sponsored"
            else:
                self._fix(spot, place, "sponsored")

    def explore(self, explored: Sequence[int], every: int) -> None:
        """Give the last of every few spots to explored candidates, where it is free."""
        free = iter([n for n in range(every - 1, self.count, every) if n not in self._fixed])
        for place in explored:
            if place not in self._used and place not in self.special:
                spot = next(free, None)
                if spot is not None:
                    self._fix(spot, place, "explore")

    def fill(self, order: Sequence[int]) -> None:
        """Give the other spots to the best of the rest; close the gaps where there are too few."""
        rest = (place for place in order if place not in self._used)
        for spot in range(self.count):
            place = self._fixed.get(spot)
            if place is None:
                place = self._next(spot, rest)
            if place is None:
                continue
            if place in self.special and len(self.slate) < self.first:
                self.passed[place] = "sponsored"
            else:
                self.slate.append(place)

    def _fix(self, spot: int, place: int, name: str) -> None:
        self._fixed[spot] = place
        self.moves[place] = (name,)
        self._take(place)

    def _take(self, place: int) -> None:
        self._used.add(place)
        self.caps.take(place)
        self._sponsored += place in self.special

    def _may_stand(self, place: int, spot: int) -> bool:
        if place not in self.special:
            return True
        return spot >= self.first and self._sponsored < self.most

    def _next(self, spot: int, rest: Iterator[int]) -> int | None:
        """Return who stands in a spot: under the caps, or else the best whom they kept out."""
        for place in self._waiting:
            if self._may_stand(place, spot) and not self.caps.exceeded(place):
                self._waiting.remove(place)
                return self._chosen(place)
        for place in rest:
            if not self._may_stand(place, spot):
                self._pass(place, "sponsored")
                self._waiting.append(place)
            elif cap := self.caps.exceeded(place):
                self._pass(place, cap)
                self._kept_out.append(place)
            else:
                return self._chosen(place)
        return self._best_kept_out(spot)

    def _best_kept_out(self, spot: int) -> int | None:
        for place in (*self._kept_out, *self._waiting):
            if self._may_stand(place, spot):
                cap = self.caps.exceeded(place)
                if cap and cap not in self.relaxed:
                    self.relaxed.append(cap)
                (self._kept_out if place in self._kept_out else self._waiting).remove(place)
                return self._chosen(place)
        return None

    def _chosen(self, place: int) -> int:
        names = [name for name, number in self._lifts.items() if number]
        if own := self.passed.pop(place, ""):
            self._lifts[own] -= 1
        if names:
            self.moves[place] = tuple(names)
        self._take(place)
        return place

    def _pass(self, place: int, name: str) -> None:
        """Note that a candidate is passed over, which lifts those behind it."""
        self.passed[place] = name
        self._lifts[name] = self._lifts.get(name, 0) + 1
