"""Tasks that run for as long as the server does, ended."""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_S = 0.1


async def end(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task and wait until it has ended; ``None`` is none that was ever started.

    Once may not do: redis-py takes a cancellation that meets its own timeout for that, and whoever
    waits out timeouts goes on.
    """
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN_S)
