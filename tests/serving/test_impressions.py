"""Slates go to the event log behind the replies: all of them, or they are counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest

from online_models.recommender import Slate, SlateItem
from schemas.errors import BrokerUnavailable
from schemas.positions import Position
from serving import impressions as module
from serving.event_log import Entry
from serving.impressions import Impressions
from serving.shown import Shown
from tests.patience import soon


class Log:
    """An event log in memory, which may be away, full or slow."""

    unacknowledged = 0

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.asked = 0
        self.away: Exception | None = None
        self.room = True
        self.open = asyncio.Event()
        self.open.set()

    @property
    def sent(self) -> list[str]:
        """Request ids, in the order in which they came."""
        return [request_id for call in self.calls for request_id in call]

    async def append(
        self, entries: Sequence[Entry], *, within_s: float | None = None
    ) -> list[Position]:
        self.asked += 1
        await self.open.wait()
        if self.away is not None:
            raise self.away
        self.calls.append([msgspec.json.decode(one.payload)["request_id"] for one in entries])
        return [Position("t", 0, n) for n, _ in enumerate(entries)]

    async def has_room(self) -> bool:
        return self.room

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


def slate(number: int, *, user_id: str = "ann", items: int = 2) -> Shown:
    shown = tuple(SlateItem(f"i{n}", 0.5, ()) for n in range(items))
    return Shown(f"r{number}", user_id, 1_760_000_000_000, Slate(shown), 1)


@pytest.fixture
async def log() -> Log:
    return Log()


@pytest.fixture
def counts() -> Counter[str]:
    return Counter()


@pytest.fixture
async def impressions(log: Log, counts: Counter[str]) -> Impressions:
    def count(outcome: str, number: int) -> None:
        counts[outcome] += number

    return Impressions(lambda: log, count=count, gather_s=0.01)


async def test_slates_are_sent_in_order_a_batch_at_a_time(
    impressions: Impressions, log: Log, counts: Counter[str]
) -> None:
    impressions.start()
    for number in range(120):
        impressions.note(slate(number))
    assert log.calls == []  # a reply waits for nothing
    await impressions.close()
    assert log.sent == [f"r{n}" for n in range(120)]
    assert [len(call) for call in log.calls] == [50, 50, 20]
    assert counts == {"sent": 120}
    assert impressions.queued == 0


async def test_what_finds_no_room_is_dropped_and_counted(
    impressions: Impressions, log: Log, counts: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ITEMS", 10)
    for number in range(7):
        impressions.note(slate(number, items=2))
    impressions.note(slate(7, items=1_000))
    assert (impressions.queued, counts) == (5, {"dropped": 3})
    impressions.start()
    await impressions.close()
    assert counts == {"dropped": 3, "sent": 5}
    impressions.note(slate(8, items=10))
    assert impressions.queued == 1


async def test_log_that_is_away_costs_slates_and_nothing_else(
    impressions: Impressions, log: Log, counts: Counter[str], caplog: pytest.LogCaptureFixture
) -> None:
    impressions.start()
    log.away = BrokerUnavailable("Kafka does not answer")
    for number in range(3):
        impressions.note(slate(number))
        await soon(lambda lost=number + 1: counts["failed"] == lost)  # type: ignore[misc]
    log.away = ZeroDivisionError("nobody foresaw it")
    impressions.note(slate(3))
    await soon(lambda: counts["failed"] == 4)
    log.away = None
    impressions.note(slate(4))
    await impressions.close()
    assert log.sent == ["r4"]
    assert counts == {"failed": 4, "sent": 1}
    assert caplog.text.count("impressions are lost: Kafka does not answer") == 1
    assert caplog.text.count("nobody foresaw") == 2
    assert caplog.text.count("impressions are sent again") == 1


async def test_log_without_room_for_the_unasked_gets_none(
    impressions: Impressions, log: Log, counts: Counter[str], caplog: pytest.LogCaptureFixture
) -> None:
    impressions.start()
    log.room = False
    impressions.note(slate(1))
    await impressions.close()
    assert (log.calls, counts) == ([], {"dropped": 1})
    assert "impressions are lost: the event log is long: does a flow read it?" in caplog.text


async def test_end_does_not_wait_for_a_log_that_hangs(
    impressions: Impressions, log: Log, counts: Counter[str], caplog: pytest.LogCaptureFixture
) -> None:
    impressions.start()
    log.open.clear()
    for number in range(60):
        impressions.note(slate(number))
    await soon(lambda: log.asked)  # the first batch is on its way
    await impressions.close(within_s=0.2)
    assert counts == {"failed": 50, "dropped": 10}
    assert "10 impressions were not sent by the end" in caplog.text


async def test_forgotten_users_slates_are_not_sent_any_more(
    impressions: Impressions, log: Log, counts: Counter[str]
) -> None:
    for number, user_id in enumerate(("ann", "bob", "ann", "cid")):
        impressions.note(slate(number, user_id=user_id))
    impressions.forget("ann")
    impressions.forget("nobody")
    impressions.start()
    await impressions.close()
    assert log.sent == ["r1", "r3"]
    assert counts == {"dropped": 2, "sent": 2}


async def test_end_without_a_start_is_fine(impressions: Impressions) -> None:
    await impressions.close()
