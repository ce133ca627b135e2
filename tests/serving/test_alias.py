"""A name that stands for a model, and is moved to another one and back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from schemas.errors import StoreUnavailable
from serving.store.alias import Alias
from serving.store.wire import Wire

pytestmark = pytest.mark.redis


@pytest.fixture
def wire(redis_url: str) -> Iterator[Wire]:
    made = Wire(redis_url, timeout_s=5.0)
    yield made
    made.close()


def test_a_name_stands_for_its_own_model_until_it_is_moved(wire: Wire) -> None:
    alias = Alias(wire, "shop")
    assert (alias.serves(), alias.served()) == ("shop", None)
    assert alias.move("shop-2") == "shop"
    assert (alias.serves(), alias.served()) == ("shop-2", "shop")
    assert Alias(wire, "shop-2").serves() == "shop-2"


def test_a_name_that_is_moved_twice_knows_the_last_one_and_can_go_back(wire: Wire) -> None:
    alias = Alias(wire, "shop")
    for model in ("two", "three", "two"):
        alias.move(model)
    assert (alias.serves(), alias.served()) == ("two", "three")


def test_moving_to_what_it_stands_for_forgets_nothing(wire: Wire) -> None:
    alias = Alias(wire, "shop")
    alias.move("two")
    assert alias.move("two") == "two"
    assert (alias.serves(), alias.served()) == ("two", "shop")


def test_a_name_knows_all_models_that_hold_its_users(wire: Wire) -> None:
    alias = Alias(wire, "shop")
    assert alias.models() == {"shop"}
    alias.add("two")
    assert alias.models() == {"shop", "two"}
    alias.move("three")
    assert alias.models() == {"shop", "two", "three"}


def test_a_name_that_no_model_can_have_is_refused(wire: Wire) -> None:
    with pytest.raises(ValueError, match="model name 'a b' is unusable"):
        Alias(wire, "shop").move("a b")


def test_a_redis_that_is_away_is_told() -> None:
    with pytest.raises(StoreUnavailable):
        Alias(Wire("redis://127.0.0.1:1", timeout_s=1.0), "shop").serves()
