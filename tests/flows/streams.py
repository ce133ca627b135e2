"""Streams of events, stores that fail, and flows to run them through."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bytewax.testing import cluster_main, run_main

from flows.dead_letters import DeadLetterFile, DeadLetters
from flows.recommend import build_flow
from flows.sources.event_source import EventSource
from flows.tally import Tally
from online_models.learner import Learner
from online_models.state import ModelState
from schemas.errors import StoreUnavailable
from schemas.events import DEFAULT_KIND_WEIGHTS
from schemas.model_log import Progress, Publish
from schemas.user_state import StreamRules
from serving.replica import Replica
from serving.store import MemoryStore, ShardWrite, Store
from tests.builders import SMALL

START_MS = 1_760_000_000_000
NOW_MS = START_MS + 365 * 86_400_000
RULES = StreamRules(kind_weights=DEFAULT_KIND_WEIGHTS)
KINDS = ("click", "click", "click", "view", "purchase", "skip", "dislike")


def interaction(n: int, **changes: Any) -> dict[str, Any]:
    """Return an interaction as its producer writes it."""
    fields = {
        "event_id": f"e{n}",
        "user_id": f"u{n % 7}",
        "item_id": f"i{n % 11}",
        "kind": "click",
        "time_ms": START_MS + n * 1_000,
    }
    return {key: value for key, value in {**fields, **changes}.items() if value is not None}


def payload(fields: dict[str, Any]) -> bytes:
    """Return an event as bytes of JSON."""
    return json.dumps(fields).encode()


def troubled(events: int, *, users: int = 25, seed: int = 0) -> list[tuple[str, bytes]]:
    """Return a stream with all that may happen: repeats, lateness, disorder, refusals, the rest."""
    dice = random.Random(seed)
    made: list[tuple[str, bytes]] = []
    for n in range(events):
        fields = interaction(
            n,
            user_id=f"u{dice.randrange(users)}",
            item_id=f"i{dice.randrange(40)}",
            kind=dice.choice(KINDS),
            time_ms=START_MS + n * 20_000 - dice.choice((0, 0, 0, 0, 60_000, 600_000)),
            session_id=dice.choice((None, None, f"s{dice.randrange(60)}")),
            context={"device": dice.choice(("phone", "laptop"))},
        )
        made.append(("interaction", payload(fields)))
        what = dice.random()
        if what < 0.04:
            made.append(made[-1])
        elif what < 0.06:
            made.append(
                ("interaction", payload({**fields, "event_id": f"x{n}", "time_ms": START_MS}))
            )
        elif what < 0.08:
            made.append(("interaction", made[-1][1][: dice.randrange(1, 40)]))
        elif what < 0.09:
            made.append(("item", payload({"item_id": f"i{n % 40}", "title": f"Title {n}"})))
        elif what < 0.11:
            wish = {"user_id": fields["user_id"], "time_ms": START_MS + n * 20_000}
            made.append(("forget", payload(wish)))
    return made


class Weather:
    """Makes calls to a store fail: so many of a method's calls, before or after their effect."""

    def __init__(self) -> None:
        self.before: dict[str, int] = {}
        self.after: dict[str, int] = {}
        self.calls: list[str] = []

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        self.calls.append(name)
        if self.before.get(name, 0) > 0:
            self.before[name] -= 1
            raise StoreUnavailable("the store does not answer: is it running?")
        result = call()
        if self.after.get(name, 0) > 0:
            self.after[name] -= 1
            raise StoreUnavailable("the reply was lost")
        return result


class StormyStore(MemoryStore):
    """A store in memory that does not always answer."""

    def __init__(self) -> None:
        super().__init__()
        self.weather = Weather()

    def read_users(self, user_ids: Sequence[str]) -> Any:
        return self.weather.around(
            "read_users", lambda: super(StormyStore, self).read_users(user_ids)
        )

    def read_marks(self, shards: Sequence[str]) -> Any:
        return self.weather.around(
            "read_marks", lambda: super(StormyStore, self).read_marks(shards)
        )

    def write_shards(self, writes: Sequence[ShardWrite]) -> None:
        self.weather.around("write_shards", lambda: super(StormyStore, self).write_shards(writes))

    def append(self, publish: Publish, *, held: Any = None) -> None:
        self.weather.around("append", lambda: super(StormyStore, self).append(publish, held=held))

    def stage_base(self, number: int, part: Publish) -> None:
        self.weather.around("stage_base", lambda: super(StormyStore, self).stage_base(number, part))

    def keep_base(self, progress: Progress, parts: int) -> None:
        self.weather.around(
            "keep_base", lambda: super(StormyStore, self).keep_base(progress, parts)
        )

    def read_events(self, from_offset: int, *, count: int, block_ms: int = 0) -> Any:
        return self.weather.around(
            "read_events",
            lambda: super(StormyStore, self).read_events(from_offset, count=count),
        )


def run(
    source: EventSource,
    store: Store,
    *,
    rules: StreamRules = RULES,
    tally: Tally | None = None,
    dead_letters: Path | DeadLetters | None = None,
    publish_interval_ms: int | None = None,
    recovery: Any = None,
    workers: int = 1,
    **options: Any,
) -> tuple[Learner, Tally]:
    """Run the flow to the end of its source, going on from what the store holds."""
    tally = tally or Tally()
    opened: list[Learner] = []

    def open_learner() -> Learner:
        replica = Replica(store, config=SMALL)
        while replica.refresh():
            pass
        opened.append(
            Learner(replica.state, micro_batch=16, publish_interval_ms=publish_interval_ms)
        )
        return opened[-1]

    letters = DeadLetterFile(dead_letters) if isinstance(dead_letters, Path) else dead_letters
    options = {"micro_batch_wait_ms": None, "now_ms": lambda: NOW_MS, **options}
    flow = build_flow(
        source,
        store,
        open_learner,
        rules=rules,
        tally=tally,
        dead_letters=letters,
        **options,
    )
    try:
        if workers > 1:
            cluster_main(flow, [], 0, worker_count_per_proc=workers)
        else:
            run_main(flow, recovery_config=recovery)
    finally:
        if isinstance(letters, DeadLetterFile):
            letters.close()
    return (opened or [Learner(ModelState(SMALL))])[-1], tally


def csv_lines(rows: Sequence[Sequence[Any]], header: str = "ts,user,item,event_type") -> bytes:
    """Return rows as CSV."""
    return "\n".join([header, *[",".join(map(str, row)) for row in rows]]).encode() + b"\n"
