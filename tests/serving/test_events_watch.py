"""Whether the event log answers is asked again and again, and told when it changes."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from schemas.errors import BrokerUnavailable
from schemas.positions import Position
from serving import events_watch
from serving.event_log import Entry
from serving.events_watch import EventsWatch
from tests.patience import soon


class Log:
    """An event log that answers, or fails as it is told to."""

    unacknowledged = 0

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.asked = 0

    async def ping(self) -> None:
        self.asked += 1
        if self.failure is not None:
            raise self.failure

    async def append(
        self, entries: Sequence[Entry], *, within_s: float | None = None
    ) -> list[Position]:
        return []

    async def has_room(self) -> bool:
        return True

    async def close(self) -> None: ...


async def test_every_change_is_told_once_whatever_the_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(events_watch, "_EVERY_S", 0.005)
    log = Log()
    watch = EventsWatch(lambda: log)
    assert not watch.answers
    watch.start()
    for failure in (None, BrokerUnavailable("Kafka is away"), ZeroDivisionError(), None):
        log.failure, asked = failure, log.asked
        await soon(lambda asked=asked: log.asked > asked + 1)  # type: ignore[misc]
        assert watch.answers == (failure is None)
    await watch.stop()
    assert caplog.text.count("events can't be stored: Kafka is away") == 1
    assert "can't be asked, for a reason that nobody foresaw" in caplog.text
    assert caplog.text.count("events can be stored again") == 1


async def test_watch_that_never_started_can_be_stopped() -> None:
    await EventsWatch(Log).stop()
