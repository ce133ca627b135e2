"""A scorer in a process of its own, and a reader of the event log that does as the flow does."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from online_models.sessions import absorb
from schemas.decoding import decode, user_of
from schemas.errors import EventRefused
from schemas.events import Forget, Interaction
from schemas.keys import shard_of
from schemas.positions import advance
from schemas.user_state import StreamRules
from serving.store import RedisStore, ShardWrite

RULES = StreamRules(repeats="exclude")
SCORER = """
import json
import sys
from schemas.settings_kafka import KafkaSettings
from schemas.user_state import StreamRules
from serving.running import run
from serving.server import ScorerServer
server = ScorerServer(
    sys.argv[1],
    name="test",
    rules=StreamRules(repeats="exclude"),
    port=0,
    stale_after_s=5.0,
    kafka=KafkaSettings(**json.loads(sys.argv[2])),
    log_impressions=sys.argv[3] == "True",
)
run(server, on_start=lambda server: print(server.port, flush=True))
"""


@dataclass
class ScorerProcess:
    """A running scorer."""

    process: subprocess.Popen[str]
    port: int


@contextmanager
def scorer_at(
    url: str, *, kafka: Mapping[str, Any] | None = None, log_impressions: bool = False
) -> Iterator[ScorerProcess]:
    """Run a scorer for as long as the block runs; ``kafka`` are settings."""
    arguments = [url, json.dumps(kafka or {}), str(log_impressions)]
    command = [sys.executable, "-W", "error", "-c", SCORER, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield ScorerProcess(process, int(process.stdout.readline()))
        finally:
            process.terminate()


def absorb_log(store: RedisStore, *, from_offset: int = 0, rules: StreamRules = RULES) -> int:
    """Write what the flow would of all events in the log; return the offset to go on from."""
    while events := store.read_events(from_offset, count=1_000):
        for offset, event_type, payload in events:
            _absorb_one(store, offset, event_type, payload, rules)
            from_offset = offset + 1
    return from_offset


def _absorb_one(
    store: RedisStore, offset: int, event_type: str, payload: bytes, rules: StreamRules
) -> None:
    try:
        event = decode(event_type, payload, now_ms=time.time_ns() // 1_000_000)
    except EventRefused:
        user_id, event = user_of(payload), None
    else:
        user_id = getattr(event, "user_id", "")
    state, marks = store.read_user(user_id)
    forgotten: tuple[str, ...] = ()
    if isinstance(event, Interaction):
        state = absorb(
            state, event, rules, topic="events", partition=0, offset=offset, contained=False
        ).state
    elif isinstance(event, Forget):
        state, forgotten = None, (user_id,)
    advance(marks, "events", 0, offset + 1)
    states = {} if state is None else {user_id: state}
    store.write_shards([ShardWrite(shard_of(user_id), states, marks, forgotten)])
