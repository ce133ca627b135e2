"""Waiting for what must come about: for as long as a busy machine takes, and no longer than it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PATIENCE_S = 120.0
"""Far more than anything takes that goes well: only what never comes about reaches it."""


def until(condition: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Return once a condition holds."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come to pass"
        time.sleep(0.01)


async def soon(condition: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Return once a condition holds, and let others run meanwhile."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come to pass"
        await asyncio.sleep(0.005)
