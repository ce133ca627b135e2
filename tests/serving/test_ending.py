"""Tasks end, however they take a cancellation."""

from __future__ import annotations

import asyncio

from serving.ending import end


async def test_a_task_that_takes_a_cancellation_for_a_timeout_ends_all_the_same() -> None:
    taken = 0

    async def run() -> None:
        nonlocal taken
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                taken += 1
                if taken > 2:
                    raise

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    await asyncio.wait_for(end(task), 60)
    assert (task.cancelled(), taken) == (True, 3)
    await end(task)


async def test_what_was_never_started_has_ended() -> None:
    await end(None)
