"""What is answered when something is missing, stage by stage, and the names of the stages.

=================  ===============================================================================
stage              what is missing, and what is answered
=================  ===============================================================================
``stale_model``    contact to the model's log, for seconds: the model as it was
``no_user_state``  the user's state: as for a stranger, who gets what trends
``trending``       an answer for this user's history, as its ranking failed: what trends
``last_good``      a whole model, as an update failed half way: what trended when there was one
``no_model``       any model, as none has been published yet: nothing
=================  ===============================================================================
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import msgspec

from online_models.recommender import Slate
from schemas.examples import Query
from serving.follow import Follower

STALE_MODEL = "stale_model"
NO_USER_STATE = "no_user_state"
TRENDING = "trending"
LAST_GOOD = "last_good"
NO_MODEL = "no_model"

_log = logging.getLogger(__name__)
_REMEMBERED = 1_000
_REMEMBER_EVERY_S = 10.0
_FAULTS = (ArithmeticError, LookupError, ValueError)  # what arithmetic on tables can raise


class Ladder:
    """Answers from the best that there is, and says in ``stages`` how far down that was.

    Parameters
    ----------
    follower
        Keeps the model that answers.
    """

    def __init__(
        self, follower: Follower, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._follower = follower
        self._clock_s = clock_s
        self._last_good = Slate()
        self._remembered_s = float("-inf")

    def recommend(self, query: Query, k: int, stages: list[str]) -> Slate:
        """Return a slate of ``k`` items at most; appends the stages that it came by."""
        if not self._whole(stages):
            return self._remembered(query, k, stages)
        self._remember()
        try:
            return self._follower.recommender.recommend(query, k)
        except _FAULTS:
            _log.exception("ranking failed for a history of %d items", len(query.history))
        stages.append(TRENDING)
        try:
            return self._follower.recommender.recommend(_without_history(query), k)
        except _FAULTS:
            _log.exception("what trends can't be told either")
        stages.remove(TRENDING)
        return self._remembered(query, k, stages)

    def score(
        self, query: Query, item_ids: Sequence[str], stages: list[str]
    ) -> Sequence[float | None]:
        """Return a score for each item that the model knows."""
        if self._whole(stages):
            return self._follower.recommender.score(query, item_ids)
        stages.append(NO_MODEL)
        return [None] * len(item_ids)

    def similar(self, item_id: str, k: int, stages: list[str]) -> Slate:
        """Return the items most alike to a given one."""
        if self._whole(stages):
            return self._follower.recommender.similar(item_id, k)
        stages.append(NO_MODEL)
        return Slate()

    def _whole(self, stages: list[str]) -> bool:
        usable = self._follower.usable
        if usable and self._follower.stale:
            stages.append(STALE_MODEL)
        return usable

    def _remembered(self, query: Query, k: int, stages: list[str]) -> Slate:
        stages.append(LAST_GOOD if self._last_good.items else NO_MODEL)
        seen = set(query.seen)
        return Slate(
            tuple([item for item in self._last_good.items if item.item_id not in seen][:k])
        )

    def _remember(self) -> None:
        """Note what trends now and then, for the day when it can't be asked."""
        now_s = self._clock_s()
        if now_s - self._remembered_s < _REMEMBER_EVERY_S:
            return
        self._remembered_s = now_s
        try:
            trending = self._follower.recommender.recommend(
                Query(user_id="", unit_key=""), _REMEMBERED
            )
        except _FAULTS:
            _log.exception("what trends can't be told")
            return
        if trending.items:
            self._last_good = trending


def _without_history(query: Query) -> Query:
    return msgspec.structs.replace(query, history=())
