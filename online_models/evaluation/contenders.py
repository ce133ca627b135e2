"""What else ranks the targets that the recommender is measured on: sources alone, other models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from online_models.baselines.neighbours import SessionNeighbours
from online_models.items import ItemTable
from online_models.recommender import Ranking
from online_models.retrieval import SOURCES
from schemas.examples import Example

DEFAULTS = ("popularity", "rules", "encoder")
"""Those that are reported when nobody says which."""


class Contender(Protocol):
    """Ranks the same targets as the recommender, in the same pass."""

    @property
    def name(self) -> str:
        """What it is called in the report."""

    def see(self, example: Example) -> None:
        """Hear of every event, in order, before it is ranked or learnt.

        What came before it may be learnt now, the event itself not yet.
        """

    def rank(self, example: Example, ranking: Ranking, place: int, top: int) -> int:
        """Return where the target stands, from 1; 0 where it is not among the first ``top``.

        Parameters
        ----------
        ranking
            The recommender's, as it stands just before the event.
        place
            The target's among its candidates, -1 where it is none.
        """


class SourceAlone:
    """One source of the recommender: the best of what it proposed, by its own score."""

    def __init__(self, name: str) -> None:
        self.name = name

    def see(self, example: Example) -> None:
        """The recommender has learnt it already."""

    def rank(self, example: Example, ranking: Ranking, place: int, top: int) -> int:
        """See ``Contender``."""
        return rank_of(ranking.top_by(self.name, top), place) if place >= 0 else 0


class Baseline:
    """A model of its own, which learns from each event once the next one comes."""

    def __init__(self, name: str, model: SessionNeighbours, items: ItemTable) -> None:
        self.name, self._model, self._items = name, model, items
        self._last: Example | None = None

    def see(self, example: Example) -> None:
        """See ``Contender``."""
        if self._last is not None:
            self._model.learn_one(self._last)
        self._last = example

    def rank(self, example: Example, ranking: Ranking, place: int, top: int) -> int:
        """See ``Contender``."""
        found = self._model.predict_one(example.query, top, allowed=self._servable)
        return found.index(example.item_id) + 1 if example.item_id in found else 0

    def _servable(self, item_id: str) -> bool:
        row = self._items.row_of(item_id)
        return row < 0 or bool(self._items.servable[row])


_BASELINES: dict[str, Callable[[], SessionNeighbours]] = {"neighbours": SessionNeighbours}


def contender_names() -> tuple[str, ...]:
    """Return the names of all that can be compared with."""
    return (*SOURCES, *_BASELINES)


def contenders_of(names: Sequence[str], items: ItemTable) -> list[Contender]:
    """Return contenders by name, each once.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    check_contenders(names)
    return [
        Baseline(name, _BASELINES[name](), items) if name in _BASELINES else SourceAlone(name)
        for name in dict.fromkeys(names)
    ]


def check_contenders(names: Sequence[str]) -> None:
    """Raise ``ValueError`` where there is none of a name, naming those that there are."""
    known = contender_names()
    for name in names:
        if name not in known:
            raise ValueError(
                f"there is nothing called {name!r} to compare with: take {', '.join(known)}"
            )


def rank_of(slate: npt.NDArray[np.int64], place: int) -> int:
    """Return where a candidate stands in a slate, from 1; 0 where it does not."""
    places = slate.tolist()
    return places.index(place) + 1 if place in places else 0
