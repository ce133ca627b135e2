"""How the parts of a flow are put together."""

from __future__ import annotations

from itertools import count

import pytest

from flows.incidents import Incident, Incidents
from flows.learn import warm_up
from flows.tally import Tally
from flows.wiring import lease_of
from schemas.errors import StoreUnavailable
from serving.store import MemoryStore


class Away(MemoryStore):
    """Does not answer for a while when it is asked for a lease."""

    failures = 4

    def acquire(self, owner: str, ttl_ms: int) -> str | None:
        self.failures -= 1
        if self.failures >= 0:
            raise StoreUnavailable("the store does not answer: is it running?")
        return super().acquire(owner, ttl_ms)


class Watched(MemoryStore):
    """Notes whether what learns had been compiled when a lease was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.compiled: list[bool] = []

    def acquire(self, owner: str, ttl_ms: int) -> str | None:
        self.compiled.append(warm_up.cache_info().currsize > 0)
        return super().acquire(owner, ttl_ms)


def test_what_learns_is_compiled_before_the_lease_is_taken() -> None:
    warm_up.cache_clear()
    store = Watched()
    lease_of(store, Incidents(Tally())).hold()
    assert store.compiled == [True]


def test_a_lease_that_waits_for_the_store_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.patience.FIRST_WAIT_S", 0.0)
    told: list[Incident] = []
    seconds = count(0.0, 6.0)
    incidents = Incidents(Tally(), listener=told.append, clock=lambda: next(seconds))
    lease_of(Away(), incidents).hold()
    assert [one.kind for one in told] == ["store_away"]
    assert not incidents.is_away("store")
