"""The users at hand."""

from __future__ import annotations

from collections import Counter

import pytest

from flows.batches import Receipt
from flows.user_cache import UserCache
from schemas.user_state import UserState
from serving.store import ShardWrite
from tests.flows.streams import StormyStore


def cache_of(
    store: StormyStore, bound: int, met: Counter[str] | None = None
) -> UserCache[UserState]:
    counted = Counter[str]() if met is None else met
    return UserCache(
        store.read_users, bound=bound, count=lambda where, n: counted.update({where: n})
    )


def stored(*users: str) -> StormyStore:
    store = StormyStore()
    states = {user: UserState(user, next_session=1) for user in users}
    store.write_shards([ShardWrite("s00", states, {})])
    return store


def test_what_is_missing_is_read_at_once_and_only_once() -> None:
    store, met = stored("a", "b"), Counter[str]()
    cache = cache_of(store, 10, met)
    cache.load({"a", "b", "new"})
    cache.load({"a", "new"})
    assert store.weather.calls.count("read_users") == 1
    assert met == {"cached": 2, "stored": 2, "new": 1}
    assert cache.get("a") == UserState("a", next_session=1)
    assert cache.get("new") is None


def test_users_seen_longest_ago_are_dropped_beyond_the_bound() -> None:
    cache = cache_of(stored(), 2)
    for user in "abcd":
        cache.load({user})
        cache.put(user, UserState(user))
    cache.load(set())
    assert len(cache) == 2
    assert cache.get("c") is not None
    assert cache.get("d") is not None


def test_a_state_on_its_way_to_the_store_is_never_dropped() -> None:
    cache, receipt = cache_of(stored("a"), 1), Receipt()
    cache.load({"a", "b", "c"})
    for user in "abc":
        cache.put(user, UserState(user, next_session=2))
    cache.handed_on(receipt, 3)
    for user in "xyz":
        cache.load({user})
    assert cache.get("a") == UserState("a", next_session=2)
    receipt.stored = True
    cache.load({"a"})
    assert len(cache) == 2  # the bound, and who was read since
    assert cache.get("a") == UserState("a", next_session=1)


def test_a_user_without_a_state_is_known_to_have_none() -> None:
    store = stored("a")
    cache = cache_of(store, 10)
    cache.put("a", None)
    cache.load({"a"})
    assert cache.get("a") is None
    assert "read_users" not in store.weather.calls


def test_a_bound_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="bound is 0, it must be at least 1"):
        cache_of(stored(), 0)
