"""A request is answered from the best that there is, and told how far down that was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from online_models.moments import PLACE
from online_models.recommender import Recommender, Slate
from online_models.reranking.exploring import Exploration
from schemas.examples import Query
from schemas.model_log import Publish, Put
from schemas.slate_rules import SlateRules
from serving.degrade import Ladder
from serving.follow import Follower
from serving.replica import Replica, Update
from tests.builders import SMALL
from tests.serving.models import level, store_of, written

STRANGER = Query(user_id="ann", unit_key="ann")
KNOWN = Query(user_id="ann", unit_key="ann", history=("i1", "i2"), seen=("i3",))


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


class Failing(Recommender):
    """A recommender that fails for some queries, as one with a damaged table would."""

    fails: Callable[[Query], bool] = staticmethod(lambda query: bool(query.history))

    def recommend(
        self,
        query: Query,
        k: int = 20,
        rules: SlateRules | None = None,
        exploration: Exploration | None = None,
    ) -> Slate:
        if self.fails(query):
            raise IndexError("a row beyond the table")
        return super().recommend(query, k, rules, exploration)


def follower_at(publishes: tuple[Publish, ...], clock: Clock | None = None) -> Follower:
    replica = Replica(store_of(publishes), config=SMALL)
    level(replica)
    return Follower(replica, clock_s=clock or Clock())


def asked(ladder: Ladder, query: Query, k: int = 5) -> tuple[list[str], list[str]]:
    stages: list[str] = []
    slate = ladder.recommend(query, k, stages)
    return [item.item_id for item in slate.items], stages


def break_model(follower: Follower) -> None:
    """Have an update fail half way."""
    progress = written(9)[follower.replica.version].progress
    with pytest.raises(Exception, match=r"no\.such"):
        follower.replica.apply(Update((Publish(progress, (Put("no.such", b"", b""),)),)))


def test_good_health_has_no_stage() -> None:
    follower = follower_at(written(8))
    ladder = Ladder(follower)
    items, stages = asked(ladder, KNOWN)
    assert items == [item.item_id for item in follower.recommender.recommend(KNOWN, 5).items]
    assert len(items) == 5
    assert stages == []
    stages = []
    assert ladder.score(KNOWN, ["i1", "nothing"], stages)[1] is None
    assert ladder.similar("i1", 3, stages).items
    assert stages == []


def test_model_out_of_touch_answers_and_is_called_stale() -> None:
    clock = Clock()
    follower = follower_at(written(8), clock)
    clock.now_s = 60.0
    items, stages = asked(Ladder(follower), KNOWN)
    assert len(items) == 5
    assert stages == ["stale_model"]
    stages = []
    assert Ladder(follower).similar("i1", 3, stages).items
    assert stages == ["stale_model"]


def test_no_model_answers_with_nothing_and_says_so() -> None:
    ladder = Ladder(follower_at(()))
    assert asked(ladder, KNOWN) == ([], ["no_model"])
    stages: list[str] = []
    assert list(ladder.score(KNOWN, ["i1", "i2"], stages)) == [None, None]
    assert ladder.similar("i1", 3, stages) == Slate()
    assert stages == ["no_model", "no_model"]
    assert ladder.explain(KNOWN, "i1", 3, []).reason == "no_model"
    assert ladder.diagnose(KNOWN, 3, []).fault == "no_model"


def test_what_is_degraded_is_at_fault_where_no_stage_is() -> None:
    clock = Clock()
    follower = follower_at(written(8), clock)
    assert Ladder(follower).diagnose(KNOWN, 3, []).fault == ""
    clock.now_s = 60.0
    assert Ladder(follower).diagnose(KNOWN, 3, []).fault == "stale_model"
    assert Ladder(follower).diagnose(KNOWN, 1_000, []).fault == "items"


def test_broken_model_gives_way_to_what_trended_last_without_what_was_seen() -> None:
    follower = follower_at(written(8))
    ladder = Ladder(follower)
    trending, _ = asked(ladder, STRANGER, 1_000)
    break_model(follower)
    items, stages = asked(ladder, KNOWN, 7)
    assert stages == ["last_good"]
    assert items == [item for item in trending if item != "i3"][:7]


def test_broken_model_that_never_answered_is_as_none() -> None:
    follower = follower_at(written(8))
    break_model(follower)
    assert asked(Ladder(follower), KNOWN) == ([], ["no_model"])


def test_what_trends_is_noted_anew_now_and_then() -> None:
    clock = Clock()
    follower = follower_at(written(1), clock)
    ladder = Ladder(follower, clock_s=clock)
    before, _ = asked(ladder, STRANGER, 1_000)
    for publish in written(8)[1:]:
        follower.replica.apply(Update((publish,)))
    asked(ladder, STRANGER)
    clock.now_s = 11.0
    after, _ = asked(ladder, STRANGER, 1_000)
    assert len(after) > len(before)
    break_model(follower)
    assert asked(ladder, STRANGER, 1_000) == (after, ["last_good"])


def test_ranking_that_fails_for_a_history_gives_way_to_what_trends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    follower = follower_at(written(8))
    follower.recommender = Failing(follower.replica.state)
    items, stages = asked(Ladder(follower), KNOWN)
    assert stages == ["trending"]
    assert len(items) == 5
    assert "i3" not in items
    assert "a row beyond the table" in caplog.text


def test_what_trends_is_told_without_a_users_other_sessions_where_these_fail() -> None:
    follower = follower_at(written(8))
    ladder = Ladder(follower)
    trending, _ = asked(ladder, STRANGER)
    begun = Query(user_id="ann", unit_key="ann", earlier=("i1", "i2"), moment={PLACE: 3})
    ranked, stages = asked(ladder, begun)
    assert stages == []
    assert ranked != trending
    failing = Failing(follower.replica.state)
    failing.fails = lambda query: bool(query.history or query.earlier or query.moment)
    follower.recommender = failing
    assert asked(ladder, begun) == (trending, ["trending"])


def test_model_that_can_tell_nothing_gives_way_to_what_trended_last() -> None:
    follower = follower_at(written(8))
    ladder = Ladder(follower)
    trending, _ = asked(ladder, STRANGER, 1_000)
    failing = Failing(follower.replica.state)
    failing.fails = lambda query: True
    follower.recommender = failing
    assert asked(ladder, KNOWN, 3) == (
        [item for item in trending if item != "i3"][:3],
        ["last_good"],
    )
    assert asked(Ladder(follower), KNOWN) == ([], ["no_model"])
