"""A flow that can't go on as it is, is built anew; one of several processes leaves that."""

from __future__ import annotations

import logging

import pytest

from flows.cluster import ALONE, Cluster
from flows.incidents import Incident, Incidents
from flows.tally import Tally
from rillrec.rebuilding import rebuilt
from schemas.errors import (
    BrokerUnavailable,
    FlowOutdated,
    RillrecError,
    StoreError,
    StoreRolledBack,
)

SPLIT = Cluster(process=1, addresses=("a:1", "b:2"))


class Script:
    """A flow whose runs take so long and end so."""

    def __init__(self, *runs: tuple[float, RillrecError | None]) -> None:
        self.runs, self.now_s, self.waits_s = list(runs), 0.0, list[float]()
        self.tally, self.told = Tally(), list[Incident]()

    def __call__(self) -> int:
        took_s, error = self.runs.pop(0)
        self.now_s += took_s
        if error is not None:
            raise error
        return 0

    def sleep(self, wait_s: float) -> None:
        self.waits_s.append(wait_s)

    def play(self, cluster: Cluster = ALONE) -> int:
        return rebuilt(
            self,
            cluster=cluster,
            incidents=Incidents(self.tally, listener=self.told.append),
            sleep=self.sleep,
            clock=lambda: self.now_s,
        )


def test_a_store_that_lost_writes_and_a_change_are_met_by_building_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flow = Script((70, StoreRolledBack("lost")), (70, FlowOutdated("changed")), (1, None))
    with caplog.at_level(logging.WARNING):
        assert flow.play() == 0
    assert [(one.kind, one.message) for one in flow.told] == [("store_rolled_back", "lost")]
    assert flow.tally.rebuilds == {"rolled_back": 1, "outdated": 1}
    assert flow.waits_s == [0.0, 0.0]
    assert [record.getMessage() for record in caplog.records] == [
        "store_rolled_back: lost",
        "building the flow anew, from what the store holds: lost",
        "building the flow anew, from what the store holds: changed",
    ]


def test_waits_double_while_it_repeats_and_start_over_once_it_ran_steadily() -> None:
    lost = StoreRolledBack("lost")
    flow = Script(*[(1, lost)] * 8, (61, lost), (1, lost), (1, None))
    assert flow.play() == 0
    assert flow.waits_s == [0, 1, 2, 4, 8, 16, 30, 30, 0, 1]


def test_one_process_of_several_leaves_it_to_whoever_starts_all() -> None:
    flow = Script((1, StoreRolledBack("lost")))
    with pytest.raises(StoreRolledBack, match="lost"):
        flow.play(SPLIT)
    assert [one.kind for one in flow.told] == ["store_rolled_back"]
    assert flow.waits_s == []


def test_brokers_that_are_away_are_waited_for_once_it_has_run() -> None:
    away = BrokerUnavailable("away")
    flow = Script((70, StoreRolledBack("lost")), (5, away), (5, away), (1, None))
    assert flow.play() == 0
    assert flow.waits_s == [0, 1, 2]
    assert flow.tally.rebuilds == {"rolled_back": 1}


def test_brokers_that_are_away_at_the_start_are_told() -> None:
    with pytest.raises(BrokerUnavailable, match="away"):
        Script((5, BrokerUnavailable("away"))).play()


def test_other_errors_end_it() -> None:
    flow = Script((1, StoreError("no")))
    with pytest.raises(StoreError, match="no"):
        flow.play()
    assert flow.tally.rebuilds == {}
