"""Waiting for a store that does not answer, rather than dying of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from schemas.errors import StoreUnavailable

FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 2.0
_LOGGED_EVERY_S = 10.0

Result = TypeVar("Result")
_log = logging.getLogger(__name__)


def waits_s() -> Iterator[float]:
    """Yield how long to wait before each further attempt, doubling up to two seconds."""
    wait_s = FIRST_WAIT_S
    while True:
        yield wait_s
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def patiently(
    attempt: Callable[[], Result], *, sleep: Callable[[float], None] = time.sleep
) -> Result:
    """Return what an attempt returns, repeated for as long as the store does not answer.

    Parameters
    ----------
    attempt
        One that may be repeated: its reply may have been lost, not its effect.
    sleep
        How to wait.
    """
    unlogged_s = waited_s = 0.0
    waits = waits_s()
    again = False
    while True:
        try:
            result = attempt()
        except StoreUnavailable as error:
            wait_s = next(waits)
            if not again or unlogged_s >= _LOGGED_EVERY_S:
                _log.warning("waiting for the store, %.0f s so far: %s", waited_s, error)
                unlogged_s = 0.0
            sleep(wait_s)
            waited_s, unlogged_s, again = waited_s + wait_s, unlogged_s + wait_s, True
            continue
        if again:
            _log.warning("the store answers again, after %.1f s", waited_s)
        return result
