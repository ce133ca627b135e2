"""A recommender without one of its sources, or of what queries tell: what each adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import structs

from online_models.agreed import SCORE, SHORTFALL
from online_models.feature_names import told_by
from online_models.learner import Learner
from online_models.likeness import below_best
from online_models.recommender import Ranking, Recommender
from online_models.retrieval import SOURCES, Candidates
from online_models.state import ModelState
from schemas.examples import Example
from schemas.model_log import Publish
from schemas.slate_rules import SlateRules

Floats = npt.NDArray[np.float32]

TOLD = ("context", "earlier", "moment")
"""What queries tell besides the unit's own items, by the name of its field."""


class Without(Recommender):
    """Recommends without a source: nobody is proposed by it, and nothing is known from it.

    Its features have one value for all candidates, so that no ranker can tell them apart by it.
    The source goes on learning, unheard, and the encoder still draws its negatives by popularity.
    A user without any known items gets what trends, or nothing where that is what is left out.

    Raises
    ------
    ValueError
        There is no such source.
    """

    def __init__(self, state: ModelState, source: str) -> None:
        super().__init__(state)
        if source not in SOURCES:
            raise ValueError(f"there is no source called {source!r}: take {', '.join(SOURCES)}")
        self.source = source
        self._columns = told_by(source, state.config)

    def _rank(self, candidates: Candidates, rules: SlateRules) -> Ranking:
        others = [candidates.proposed_by(name) for name in SOURCES if name != self.source]
        return super()._rank(_kept(candidates, np.logical_or.reduce(others)), rules)

    def _features(self, candidates: Candidates) -> Floats:
        table = super()._features(candidates)
        table[:, self._columns] = 0
        return table


class Untold(Learner):
    """Learns a stream as if its events did not tell one of ``TOLD``, from its first event on.

    Hard rules are no part of what is learnt: they go on reading age and region.
    """

    def __init__(self, state: ModelState, field: str) -> None:
        super().__init__(state, publish_interval_ms=None)
        self.field = field

    def learn_many(self, examples: Sequence[Example], **where: Any) -> list[Publish]:
        """Absorb a run of examples without what is not to be told."""
        return super().learn_many([without(one, self.field) for one in examples], **where)


def without(example: Example, field: str) -> Example:
    """Return an example that does not tell one of ``TOLD``.

    Of the context it is the event's own: where no event tells a value, none is followed, and what a
    query tells of them is heard by the hard rules alone.
    """
    if field == "context":
        return structs.replace(example, context={})
    if field == "moment":
        return structs.replace(example, query=structs.replace(example.query, moment={}))
    return structs.replace(example, query=structs.replace(example.query, earlier=()))


def check_ablated(names: Sequence[str], *, unit: str) -> None:
    """Refuse what can not be left out.

    Raises
    ------
    ValueError
        There is nothing of that name, or a stream of this unit has none of it.
    """
    known = (*SOURCES, *TOLD)
    for name in names:
        if name not in known:
            raise ValueError(f"there is no {name!r} to leave out: take {', '.join(known)}")
    if "earlier" in names and unit == "user":
        raise ValueError(
            "'earlier' is what a user chose in other sessions, and with --unit user there are none "
            "beside the user's one history: drop it, or replay with --unit session"
        )


def _kept(found: Candidates, mask: npt.NDArray[np.bool_]) -> Candidates:
    """Return some of the candidates: every field but the query has one entry for each."""
    if mask.all():
        return found
    names = [name for name in found.__struct_fields__ if name != "asked"]
    kept = structs.replace(found, **{name: getattr(found, name)[mask] for name in names})
    kept.encoded[:, 1] = below_best(kept.encoded[:, 0])  # who was left out is nobody's best
    kept.content[:, SHORTFALL] = below_best(kept.content[:, SCORE])
    return kept
