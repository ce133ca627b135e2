"""A walk from the history to the slate, with counts, that names the stage at fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from msgspec import Struct

from online_models.recommender import Ranking, Recommender
from online_models.reranking.permit import barring, permit
from online_models.retrieval import SOURCES
from schemas.examples import Query
from schemas.slate_rules import SlateRules

FAULTS = (ArithmeticError, LookupError, ValueError)
"""What arithmetic on damaged tables can raise."""
_TOLD_PLACES = 10
MOST_NAMED = 2_000
"""Barred items whose hard rules are counted by name: more would keep requests waiting."""


class Step(Struct, frozen=True):
    """One stage: how many came out of it, and what there is to say."""

    name: str
    count: int
    detail: str


class Diagnosis(Struct, frozen=True):
    """The stages that were walked, and the one at fault: empty where the slate is as it should be.

    Stages: ``items``, ``history``, ``hard_rules``, ``candidates``, ``features``, ``ranking``,
    ``rules``. A slate that is too short, or has a rule relaxed, is the fault of the first stage
    that left too few; one that fails ends the walk.
    """

    steps: tuple[Step, ...] = ()
    fault: str = ""


def diagnose(recommender: Recommender, query: Query, k: int, rules: SlateRules) -> Diagnosis:
    """Walk the stages of a slate of ``k`` items for a query."""
    walk = _Walk(recommender, query, k, rules)
    steps: list[Step] = []
    fault = ""
    stages: tuple[tuple[str, Callable[[], tuple[int, str, bool]]], ...] = (
        ("items", walk.items),
        ("history", walk.history),
        ("hard_rules", walk.hard_rules),
        ("candidates", walk.candidates),
        ("features", walk.features),
        ("ranking", walk.ranking),
        ("rules", walk.rules_),
    )
    for name, stage in stages:
        try:
            count, detail, well = stage()
        except FAULTS as error:
            steps.append(Step(name, 0, f"failed: {error!r}"))
            return Diagnosis(tuple(steps), fault or name)
        steps.append(Step(name, count, detail))
        fault = fault or ("" if well else name)
    return Diagnosis(tuple(steps), fault)


class _Walk:
    """Each stage returns what came out of it, what there is to say, and whether that is well."""

    def __init__(self, recommender: Recommender, query: Query, k: int, rules: SlateRules) -> None:
        self.recommender, self.query, self.k, self.rules = recommender, query, k, rules
        self.state = recommender.state
        self._found: Ranking | None = None

    @property
    def found(self) -> Ranking:
        if self._found is None:
            self._found = self.recommender.rank(self.query, self.rules, at_least=self.k)
        return self._found

    def items(self) -> tuple[int, str, bool]:
        count = len(self.state.items)
        said = f"the model knows {count} items, the catalogue has {len(self.state.items.catalogue)}"
        return count, said, count >= self.k

    def history(self) -> tuple[int, str, bool]:
        told = {
            "the history": self.query.history,
            "the user's other sessions": self.query.earlier,
        }
        known = {whose: len(self.state.items.rows_of(asked)) for whose, asked in told.items()}
        said = [
            f"{known[whose]} of {len(asked)} items of {whose} are known"
            for whose, asked in told.items()
            if asked
        ]
        if not said:
            return 0, "a stranger: what trends is recommended", True
        count = sum(known.values())
        return count, "; ".join(said), bool(count)

    def hard_rules(self) -> tuple[int, str, bool]:
        items = self.state.items
        rows = items.rows()
        allowed = permit(items, self.query, self.rules).allows(rows)
        names = Counter(
            barring(item_id, items.catalogue.get(item_id), self.query, self.rules)
            for item_id in map(items.id_of, rows[~allowed][:MOST_NAMED].tolist())
        )
        count = int(allowed.sum())
        said = ", ".join(f"{name} {number}" for name, number in names.most_common())
        said = f"{len(rows) - count} of {len(rows)} items are barred" + (f": {said}" * bool(said))
        return count, said, count >= min(self.k, len(rows))

    def candidates(self) -> tuple[int, str, bool]:
        found = self.found.candidates
        said = ", ".join(f"{name} {int(found.proposed_by(name).sum())}" for name in SOURCES)
        return len(found.rows), f"proposed by {said}", len(found.rows) > 0 or not self.k

    def features(self) -> tuple[int, str, bool]:
        table = self.found.features
        broken = int((~np.isfinite(table).all(axis=1)).sum())
        return (
            table.shape[1],
            f"of {len(table)} candidates, {broken} with no finite ones",
            not broken,
        )

    def ranking(self) -> tuple[int, str, bool]:
        scores = self.found.scores
        finite = int(np.isfinite(scores).sum())
        by = "the ranker" if self.found.candidates.ranked else "popularity alone"
        said = f"finite scores of {len(scores)}, by {by}{self._looked_at()}"
        return finite, said, finite == len(scores)

    def _looked_at(self) -> str:
        """Return how likely the first places are looked at, where slates have told of it."""
        examination = self.state.examination
        if not examination.counts.array.any():
            return ""
        curve = examination.curve()[:_TOLD_PLACES]
        return "; places are looked at " + ", ".join(f"{one:.2f}" for one in curve)

    def rules_(self) -> tuple[int, str, bool]:
        arranged = self.found.arranged(self.k)
        moved = Counter(
            name for place in arranged.places.tolist() for name in arranged.moves.get(place, ())
        )
        held = Counter(arranged.passed.values())
        parts = [f"{name} moved {number}" for name, number in sorted(moved.items())]
        parts += [f"{name} held back {number}" for name, number in sorted(held.items())]
        parts += [f"{name} was relaxed" for name in arranged.relaxed]
        count = len(arranged.places)
        wanted = min(self.k, len(self.found.candidates.rows))
        said = "; ".join([f"{count} of {self.k} places are filled", *parts])
        return count, said, count >= wanted and not arranged.relaxed
