"""What is noted of each prediction, in columns."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from msgspec.structs import astuple


class Prediction(Struct, frozen=True, kw_only=True, gc=False):
    """One prediction: whom it was for, how it went, what was shown.

    Parameters
    ----------
    place
        The number of the event that it predicts, from 0.
    unit
        The number of its unit.
    rank
        Where the target stood in the slate, from 1; 0 where it did not.
    candidate
        Whether the target was among the candidates.
    anonymous
        Whether it was for a session without a user.
    user_events, unit_events
        What the user had done before, as far as it was replayed or is told by the query, and what
        the query knew of the unit.
    item, item_age_ms
        The number of the target, and how long ago it first came; -1 where it never did.
    confidence, slate_confidence
        The probability that the ranker gave its first item, and all of its slate, if the target was
        among the candidates; NaN where the ranker did not rank.
    recall
        How likely it was among them, as far as those before tell.
    diversity, category_diversity
        How unlike the slate's items are by vectors and by categories; NaN where there is no pair.
    novelty_bits
        The mean self-information of the slate's items; NaN where it is empty.
    """

    place: int
    unit: int
    rank: int
    candidate: bool
    anonymous: bool
    user_events: int
    unit_events: int
    item: int
    item_age_ms: int
    confidence: float
    slate_confidence: float
    recall: float
    diversity: float
    category_diversity: float
    novelty_bits: float


_FIELDS = tuple(Prediction.__struct_fields__)
_TYPES = {"int": "q", "bool": "b", "float": "f"}


class Predictions:
    """All predictions of a run. Each takes about 120 bytes, 4 more for each item that was shown.

    Parameters
    ----------
    contenders
        The names of what else ranks each target; 8 bytes a prediction for each.
    """

    def __init__(self, contenders: Iterable[str] = ()) -> None:
        annotations = Prediction.__annotations__
        self._columns = {name: array(_TYPES[annotations[name]]) for name in _FIELDS}
        self._ranks = {name: array("q") for name in contenders}
        self._shown, self._lengths = array("i"), array("i")

    def __len__(self) -> int:
        return len(self._lengths)

    def add(
        self, prediction: Prediction, shown: npt.NDArray[np.int32], ranks: dict[str, int]
    ) -> None:
        """Note a prediction, the numbers of the items shown, and the rank by each contender."""
        for column, value in zip(self._columns.values(), astuple(prediction), strict=True):
            column.append(value)
        for name, rank in ranks.items():
            self._ranks[name].append(rank)
        self._shown.frombytes(shown.astype(np.int32, copy=False).tobytes())
        self._lengths.append(len(shown))

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return a field of all predictions, of shape ``(predictions,)``."""
        column = self._columns[name]
        return np.array(column, dtype=bool if column.typecode == "b" else column.typecode)

    def ranks(self, contender: str) -> npt.NDArray[np.int64]:
        """Return the ranks of a contender, of shape ``(predictions,)``."""
        return np.array(self._ranks[contender], dtype=np.int64)

    @property
    def contenders(self) -> tuple[str, ...]:
        """Their names, in the order in which they were given."""
        return tuple(self._ranks)

    def shown(self, kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
        """Return the numbers of all items that the kept predictions showed, one after another."""
        lengths = np.array(self._lengths, dtype=np.int32)
        return np.array(self._shown, dtype=np.int32)[np.repeat(kept, lengths)]
