"""A scorer for as long as its process lives."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from serving.server import ScorerServer


def run(server: ScorerServer, *, on_start: Callable[[ScorerServer], None] = lambda _: None) -> None:
    """Serve until SIGINT or SIGTERM, on uvloop where it is installed.

    Parameters
    ----------
    on_start
        Called when the server listens, with its ports known.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(server, on_start))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # it is not made for every platform
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _serve(server: ScorerServer, on_start: Callable[[ScorerServer], None]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    try:
        await server.start()
        on_start(server)
        await ended.wait()
    finally:
        await server.stop()
