"""A flow goes over to another model when its name does."""

from __future__ import annotations

import pytest

from flows.served import Served
from flows.sources.log import LogSource
from schemas.errors import FlowOutdated, RillrecError, StoreUnavailable
from serving.store import MemoryStore


class Name:
    """What a name stands for, and how often that was asked."""

    def __init__(self) -> None:
        self.model, self.asked, self.away, self.now_ms = "shop", 0, False, 1_000_000

    def serves(self) -> str:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("away")
        return self.model

    def watch(self) -> Served:
        return Served(self.serves, name="shop", model="shop", now_ms=lambda: self.now_ms)


def test_it_is_looked_at_once_a_second() -> None:
    name = Name()
    watch = name.watch()
    for _ in range(30):
        watch()
        name.now_ms += 100
    assert name.asked == 3


def test_another_model_is_told_with_both_names() -> None:
    name = Name()
    watch = name.watch()
    watch()
    name.model = "shop-2"
    watch()
    name.now_ms += 1_000
    with pytest.raises(FlowOutdated) as told:
        watch()
    assert str(told.value) == (
        "'shop' stands for 'shop-2' now, and no more for 'shop': going over to it"
    )


def test_a_store_that_is_away_says_nothing_about_it() -> None:
    name = Name()
    watch, name.away, name.model = name.watch(), True, "shop-2"
    watch()
    name.away = False
    name.now_ms += 1_000
    with pytest.raises(FlowOutdated):
        watch()


def test_a_source_ends_in_order_when_its_flow_is_outdated() -> None:
    store, name, told = MemoryStore(), Name(), list[RillrecError]()
    source = LogSource(store)
    source.resume_from(store, watch=name.watch())
    source.on_failure = told.append
    partition = source.build_part("read", "events/0", None)
    assert partition.next_batch()
    name.model = "shop-2"
    name.now_ms += 1_000
    with pytest.raises(StopIteration):
        partition.next_batch()
    [error] = told
    assert isinstance(error, FlowOutdated)
