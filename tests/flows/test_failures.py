"""The first error of a run is kept, whichever step raised it and on whichever worker."""

from __future__ import annotations

from typing import Any

import pytest
from bytewax.testing import run_main

from flows.failures import Failures
from flows.recommend import build_flow
from flows.sources.log import LogSource
from schemas.errors import RillrecError, SettingsError, StoreError
from serving.store import MemoryStore
from tests.flows.streams import RULES, run, troubled


class Failing(MemoryStore):
    """Refuses one kind of call."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.error = StoreError(f"{method} is refused")
        setattr(self, method, self._refuse)
        self.append_events(troubled(100))

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("method", ["read_users", "write_shards", "append"])
def test_an_error_of_the_store_is_kept(method: str, workers: int) -> None:
    store, failures = Failing(method), Failures()
    with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever the engine makes of it
        run(LogSource(store, follow=False), store, workers=workers, failures=failures)
    assert failures.first is store.error


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("method", ["read_users", "write_shards", "append"])
def test_where_there_is_somebody_to_tell_everything_falls_until_the_source_ends(
    method: str, workers: int, capfd: pytest.CaptureFixture[str]
) -> None:
    store, failures, told = Failing(method), Failures(), list[RillrecError]()
    source = LogSource(store, batch_size=10)

    def fall(error: RillrecError) -> None:
        told.append(error)
        source.end()

    failures.on_failure = fall
    run(source, store, workers=workers, failures=failures, publish_interval_ms=0)
    assert failures.first is store.error
    assert told
    assert set(told) == {store.error}
    assert store.version() <= 1  # that of the empty beginning
    assert capfd.readouterr().err == ""


def test_a_learner_that_can_not_be_opened_lets_everything_fall() -> None:
    store, failures, error = MemoryStore(), Failures(), SettingsError("another unit")
    store.append_events(troubled(10))
    source = LogSource(store)

    def refuse() -> Any:
        raise error

    failures.on_failure = lambda _error: source.end()
    run_main(build_flow(source, store, refuse, rules=RULES, failures=failures))
    assert failures.first is error


def test_an_error_while_the_learner_is_opened_is_kept() -> None:
    store, failures, error = MemoryStore(), Failures(), RuntimeError("no model")
    store.append_events(troubled(10))

    def refuse() -> Any:
        raise error

    flow = build_flow(LogSource(store, follow=False), store, refuse, rules=RULES, failures=failures)
    with pytest.raises(BaseException):  # noqa: B017, PT011
        run_main(flow)
    assert failures.first is error


def test_the_first_of_several_errors_is_kept() -> None:
    failures = Failures()
    failures.note(ValueError("one"))
    failures.note(ValueError("two"))
    assert str(failures.first) == "one"


def test_a_run_without_errors_keeps_none() -> None:
    store, failures = MemoryStore(), Failures()
    store.append_events(troubled(50))
    run(LogSource(store, follow=False), store, failures=failures)
    assert failures.first is None
