"""Incidents, and whom a flow waits for."""

from __future__ import annotations

import logging
from typing import cast

import pytest

from flows.incidents import KINDS, Incident, Incidents
from flows.noticed import noticed
from flows.tally import Tally
from schemas.errors import StoreUnavailable
from serving.store import MemoryStore
from tests.flows.streams import StormyStore


class Told:
    """Incidents with a clock of their own."""

    def __init__(self) -> None:
        self.now_s, self.heard = 100.0, list[Incident]()
        self.incidents = Incidents(
            Tally(clock=lambda: self.now_s),
            listener=self.heard.append,
            now_ms=lambda: int(self.now_s * 1_000),
            clock=lambda: self.now_s,
        )


@pytest.fixture
def told() -> Told:
    return Told()


def test_an_incident_is_logged_counted_and_handed_on(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    told.incidents.note("offsets_deleted", "3 of t/0 are gone", topic="t", offsets=3)
    assert told.heard == [
        Incident("offsets_deleted", "3 of t/0 are gone", 100_000, {"topic": "t", "offsets": 3})
    ]
    assert told.incidents.tally.incidents == {"offsets_deleted": 1}
    assert caplog.messages == ["offsets_deleted: 3 of t/0 are gone"]


def test_a_kind_that_nobody_declared_is_refused(told: Told) -> None:
    with pytest.raises(ValueError, match="'surprise' is no kind of incident, use one of"):
        told.incidents.note("surprise", "boo")
    assert "store_away" in KINDS


@pytest.mark.parametrize(
    ("whom", "kind", "name"),
    [
        ("store", "store_away", "the store"),
        ("broker", "broker_away", "Kafka"),
        ("dead_letters", "broker_away", "the dead letters' topic"),
    ],
)
def test_who_does_not_answer_is_logged_at_once_and_an_incident_after_ten_seconds(
    told: Told, caplog: pytest.LogCaptureFixture, whom: str, kind: str, name: str
) -> None:
    incidents = told.incidents
    for _ in range(15):
        incidents.away(whom, "refused")
        told.now_s += 1
    assert incidents.is_away(whom)
    assert incidents.tally.waiting() == {whom: 15.0}
    incidents.back(whom)
    incidents.back(whom)
    assert not incidents.is_away(whom)
    assert incidents.tally.waiting() == {}
    assert caplog.messages == [
        f"waiting for {name}: refused",
        f"{kind}: no answer for 11 s: refused",
        f"{name} answers again, after 15.0 s",
    ]
    assert [(one.kind, one.fields) for one in told.heard] == [(kind, {"whom": whom})]


def test_each_absence_counts_for_itself(told: Told) -> None:
    for _ in range(2):
        for _ in range(12):
            told.incidents.away("store", "refused")
            told.now_s += 1
        told.incidents.back("store")
    assert told.incidents.tally.incidents == {"store_away": 2}


def test_a_store_s_silence_is_noticed_whoever_asks_it(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    stormy = StormyStore()
    store = noticed(stormy, told.incidents)
    with caplog.at_level(logging.WARNING):
        stormy.weather.before["read_users"] = 2
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                store.read_users(["ann"])
            told.now_s += 11
        assert told.incidents.is_away("store")
        assert store.read_users(["ann"]) == {}
    assert not told.incidents.is_away("store")
    assert cast(StormyStore, store).weather is stormy.weather
    assert [one.kind for one in told.heard] == ["store_away"]
    assert caplog.messages == [
        "store_away: no answer for 11 s: the store does not answer: is it running?"
    ]


def test_other_errors_of_a_store_are_its_caller_s_alone(told: Told) -> None:
    store = noticed(MemoryStore(), told.incidents)
    with pytest.raises(AttributeError):
        store.no_such_call()  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        store.read_users()  # type: ignore[call-arg]
    assert not told.incidents.is_away("store")
