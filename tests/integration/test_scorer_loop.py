"""The whole loop: what a client tracks, the flow learns, and the scorer answers with."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from serving.store import RedisStore
from serving.store.embedded import EmbeddedRedis
from tests.patience import until
from tests.serving.foreign import ForeignClient
from tests.serving.processes import scorer_at

pytestmark = [pytest.mark.redis, pytest.mark.slow]

SCORER = "rillrec.v1.Scorer"


@contextmanager
def flow_at(url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the dataflow over the event log for as long as the block runs."""
    environ = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "RILLREC_STORE__REDIS_URL": url,
        "RILLREC_MODEL__NAME": "test",
        "RILLREC_STREAM__REPEATS": "exclude",
        "RILLREC_FLOW__METRICS_PORT": "0",
    }
    command = [sys.executable, "-m", "bytewax.run", "flows.recommend"]
    with subprocess.Popen(command, env=environ, cwd=folder) as process:
        try:
            yield process
        finally:
            process.kill()


def click(user_id: str, item: int, number: int) -> dict[str, Any]:
    return {
        "interaction": {
            "event_id": f"{user_id}-{number}",
            "user_id": user_id,
            "item_id": f"i{item}",
            "kind": "click",
            "time_ms": time.time_ns() // 1_000_000,
        }
    }


def test_clicks_are_learnt_from_and_the_very_last_one_counts_at_once(tmp_path: Path) -> None:
    with (
        EmbeddedRedis(tmp_path / "redis") as redis,
        flow_at(redis.url, tmp_path),
        scorer_at(redis.url) as scorer,
        ForeignClient(scorer.port) as client,
    ):

        def track(*events: dict[str, Any]) -> str:
            tracked = client.call(f"{SCORER}/Track", {"events": list(events)})["tracked"]
            assert all(one["refused"] == "" for one in tracked)
            return str(tracked[-1]["position"])

        def slate(user_id: str, **fields: Any) -> dict[str, Any]:
            return client.call(
                f"{SCORER}/Recommend", {"user_id": user_id, **fields}, timeout_s=60.0
            )

        def items(reply: dict[str, Any]) -> list[str]:
            return [item["item_id"] for item in reply["items"]]

        crowd = [click(f"u{u}", (u + 3 * step) % 12, step) for u in range(60) for step in range(4)]
        token = track(*crowd)
        assert slate("u59", after=token)["known_user"]
        until(lambda: len(slate("nobody")["items"]) == 12)
        fresh = slate("ann", after=track(click("ann", 0, 1)))
        assert (fresh["known_user"], fresh["degraded"]) == (True, [])
        assert items(fresh) != items(slate("nobody"))
        assert "i0" not in items(fresh)
        assert items(fresh)[0] == "i3"  # whoever saw an item saw the third after it next
        position = client.call(f"{SCORER}/Forget", {"user_id": "ann"})["position"]
        assert not slate("ann", after=position)["known_user"]
        refused = client.call(f"{SCORER}/Track", {"events": [click("ann", 1, 2), {}]})["tracked"]
        assert slate("ann", after=refused[0]["position"])["known_user"]
        info = client.call(f"{SCORER}/GetModelInfo")
        assert int(info["absorbed_events"]) >= len(crowd)
        store = RedisStore(redis.url, name="test")
        until(lambda: [dead.reason for dead in store.dead_letters()] == ["kind"])
        store.close()
