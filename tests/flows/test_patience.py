"""Waiting for a store."""

from __future__ import annotations

import logging
from itertools import count, islice

import pytest

from flows.patience import patiently, waits_s
from schemas.errors import StoreError, StoreUnavailable


def failing(times: int) -> str:
    attempts = count(1)

    def attempt() -> str:
        if next(attempts) <= times:
            raise StoreUnavailable("Redis does not answer")
        return "done"

    return patiently(attempt, sleep=lambda _seconds: None)


def test_an_attempt_is_repeated() -> None:
    assert failing(3) == "done"


def test_waits_grow_to_two_seconds() -> None:
    assert list(islice(waits_s(), 8)) == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_waiting_is_logged_now_and_then_and_so_is_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        failing(20)
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0] == "waiting for the store, 0 s so far: Redis does not answer"
    assert 3 <= len(messages) <= 6
    assert messages[-1].startswith("the store answers again, after 3")


def test_a_refusal_is_not_waited_out() -> None:
    def refuse() -> None:
        raise StoreError("no")

    with pytest.raises(StoreError, match="no"):
        patiently(refuse)
