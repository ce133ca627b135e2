"""What is answered when something is missing, stage by stage, and the names of the stages.

=================  ===============================================================================
stage              what is missing, and what is answered
=================  ===============================================================================
``stale_model``    contact to the model's log, for seconds: the model as it was
``no_user_state``  the user's state: as for a stranger, who gets what trends
``trending``       an answer for this user's history, as its ranking failed: what trends
``last_good``      a whole model, as an update failed half way: what trended when there was one,
                   but for what hard rules bar, and for sponsored items
``no_model``       any model, as none has been published yet: nothing
=================  ===============================================================================
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from online_models.explaining.diagnosis import FAULTS, Diagnosis, diagnose
from online_models.explaining.explanation import Explanation, explain
from online_models.recommender import Slate, SlateItem
from online_models.reranking.exploring import Exploration
from online_models.reranking.permit import barring
from schemas.events import ItemUpdate, Scalar
from schemas.examples import Query
from schemas.slate_rules import SlateRules
from serving.follow import Follower

STALE_MODEL = "stale_model"
NO_USER_STATE = "no_user_state"
TRENDING = "trending"
LAST_GOOD = "last_good"
NO_MODEL = "no_model"

_log = logging.getLogger(__name__)
_REMEMBERED = 1_000
_REMEMBER_EVERY_S = 10.0
_DEFAULT = SlateRules()
_PLAIN = SlateRules(category_share=1.0)


class Ladder:
    """Answers from the best that there is, and says in ``stages`` how far down that was.

    Parameters
    ----------
    follower
        Keeps the model that answers.

    Each call takes the ``rules`` by which its slate is made.
    """

    def __init__(
        self, follower: Follower, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._follower = follower
        self._clock_s = clock_s
        self._last_good = Slate()
        self._words: dict[str, ItemUpdate] = {}
        self._remembered_s = float("-inf")

    def recommend(
        self,
        query: Query,
        k: int,
        stages: list[str],
        rules: SlateRules = _DEFAULT,
        exploration: Exploration | None = None,
    ) -> Slate:
        """Return a slate of ``k`` items at most; appends the stages that it came by."""
        if not self._whole(stages):
            return self._remembered(query, k, stages, rules)
        self._remember()
        try:
            return self._follower.recommender.recommend(query, k, rules, exploration)
        except FAULTS:
            _log.exception("ranking failed for a history of %d items", len(query.history))
        stages.append(TRENDING)
        try:
            return self._follower.recommender.recommend(_without_history(query), k, rules)
        except FAULTS:
            _log.exception("what trends can't be told either")
        stages.remove(TRENDING)
        return self._remembered(query, k, stages, rules)

    def score(
        self, query: Query, item_ids: Sequence[str], stages: list[str]
    ) -> Sequence[float | None]:
        """Return a score for each item that the model knows."""
        if self._whole(stages):
            return self._follower.recommender.score(query, item_ids)
        stages.append(NO_MODEL)
        return [None] * len(item_ids)

    def similar(
        self,
        item_id: str,
        k: int,
        stages: list[str],
        rules: SlateRules = _DEFAULT,
        context: Mapping[str, Scalar] | None = None,
    ) -> Slate:
        """Return the items most alike to a given one, for whom the context tells of."""
        if self._whole(stages):
            return self._follower.recommender.similar(item_id, k, context, rules)
        stages.append(NO_MODEL)
        return Slate()

    def explain(
        self, query: Query, item_id: str, k: int, stages: list[str], rules: SlateRules = _DEFAULT
    ) -> Explanation:
        """Return why an item is in a slate, or why not."""
        if self._whole(stages):
            return explain(self._follower.recommender, query, item_id, k, rules)
        stages.append(NO_MODEL)
        return Explanation(item_id=item_id, reason=NO_MODEL)

    def diagnose(
        self, query: Query, k: int, stages: list[str], rules: SlateRules = _DEFAULT
    ) -> Diagnosis:
        """Return which stage of a slate is at fault: one that was walked, or a lesser answer."""
        if not self._whole(stages):
            stages.append(NO_MODEL)
            return Diagnosis(fault=NO_MODEL)
        told = diagnose(self._follower.recommender, query, k, rules)
        return Diagnosis(told.steps, told.fault or next(iter(stages), ""))

    def _whole(self, stages: list[str]) -> bool:
        usable = self._follower.usable
        if usable and self._follower.stale:
            stages.append(STALE_MODEL)
        return usable

    def _remembered(self, query: Query, k: int, stages: list[str], rules: SlateRules) -> Slate:
        """Return what trended, but for what hard rules bar by the words of then or of now."""
        stages.append(LAST_GOOD if self._last_good.items else NO_MODEL)
        items: list[SlateItem] = []
        now = self._follower.replica.state.items.catalogue
        for item in self._last_good.items:
            words = (self._words.get(item.item_id), now.get(item.item_id))
            barred = any(barring(item.item_id, word, query, rules) for word in words)
            paid = any(word and word.sponsored for word in words) or item.item_id in rules.sponsored
            if not barred and not paid:
                items.append(item)
            if len(items) == k:
                break
        return Slate(tuple(items))

    def _remember(self) -> None:
        """Note what trends now and then, for the day when it can't be asked."""
        now_s = self._clock_s()
        if now_s - self._remembered_s < _REMEMBER_EVERY_S:
            return
        self._remembered_s = now_s
        try:
            trending = self._follower.recommender.recommend(
                Query(user_id="", unit_key=""), _REMEMBERED, _PLAIN
            )
        except FAULTS:
            _log.exception("what trends can't be told")
            return
        if trending.items:
            catalogue = self._follower.replica.state.items.catalogue
            found = [(item.item_id, catalogue.get(item.item_id)) for item in trending.items]
            self._words = {item_id: word for item_id, word in found if word is not None}
            self._last_good = trending


def _without_history(query: Query) -> Query:
    return msgspec.structs.replace(query, history=(), earlier=(), moment={})
