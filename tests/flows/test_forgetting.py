"""A user who asked to be forgotten, in a real Redis and through the whole flow."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.sources.file import FileSource
from flows.sources.log import LogSource
from schemas.forgetting import digest_of
from schemas.keys import shard_of
from schemas.model_log import Progress
from serving.store import RedisStore
from serving.store.protocol import EVENTS_TOPIC
from serving.store.wire import Wire
from tests.flows.streams import START_MS, interaction, payload, run

pytestmark = pytest.mark.redis

GONE = "visitor-who-wants-to-be-forgotten"
WISHED_MS = START_MS + 500_000
DECADE_S = 10 * 365 * 86_400
READERS = {
    b"string": ("GET", ()),
    b"hash": ("HGETALL", ()),
    b"list": ("LRANGE", (0, -1)),
    b"zset": ("ZRANGE", (0, -1)),
    b"stream": ("XRANGE", ("-", "+")),
}


def shown(n: int, user_id: str) -> dict[str, Any]:
    items = [{"item_id": f"i{k}", "position": k, "score": 0.5} for k in range(5)]
    fields = {"request_id": f"{user_id}-r{n}", "user_id": user_id, "items": items}
    return {**fields, "time_ms": START_MS + n * 1_000}


def lived() -> list[tuple[str, bytes]]:
    """Return what two users did and were shown: repeated, late and malformed events among it."""
    events: list[tuple[str, bytes]] = []
    for n in range(40):
        user_id = GONE if n % 2 else "other"
        request_id = f"{user_id}-r{n}"
        events.append(("impression", payload(shown(n, user_id))))
        click = interaction(n, user_id=user_id, item_id=f"i{n % 5}", request_id=request_id)
        events.append(("interaction", payload(click)))
        if n % 10 == 3:
            late = interaction(n, event_id=f"l{n}", user_id=GONE, time_ms=START_MS - 10**8)
            events += [events[-1], ("interaction", payload(late))]
            events.append(("interaction", payload({**click, "event_id": f"x{n}", "kind": 7})))
    return events


@pytest.fixture
def store(redis_url: str) -> Iterator[RedisStore]:
    made = RedisStore(redis_url, name="shop", forget_memory_s=DECADE_S)
    made.append_events(lived())
    run(LogSource(made, follow=False), made, publish_interval_ms=0)
    yield made
    made.close()


def wish(store: RedisStore) -> None:
    store.append_events([("forget", payload({"user_id": GONE, "time_ms": WISHED_MS}))])
    run(LogSource(store, follow=False), store, publish_interval_ms=0)


def places_of(word: bytes, url: str) -> set[str]:
    """Return the keys of a Redis whose names or values hold a word in clear, deflated or not."""
    wire, found, cursor = Wire(url, timeout_s=5.0), set(), b"0"
    while True:
        cursor, names = wire.call("SCAN", cursor, "COUNT", 1_000)
        for name in names:
            command, rest = READERS[wire.call("TYPE", name)]
            values = [name, *flat(wire.call(command, name, *rest))]
            if any(word in value or word in inflated(value) for value in values):
                found.add(name.decode())
        if cursor == b"0":
            wire.close()
            return found


def flat(value: Any) -> list[bytes]:
    return [value] if isinstance(value, bytes) else [one for part in value for one in flat(part)]


def inflated(value: bytes) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(value[1:])
    except zlib.error:
        return b""


def history_of(store: RedisStore, user_id: str) -> list[str]:
    state, _ = store.read_user(user_id)
    return [] if state is None else [visit.item_id for visit in state.history]


def jsonl(path: Path, events: list[tuple[str, bytes]]) -> FileSource:
    """Return events as a file, which is another source: other topic, other offsets."""
    lines = [json.dumps({"type": kind, **json.loads(raw)}) for kind, raw in reversed(events)]
    path.write_text("\n".join([json.dumps({"type": "item", "item_id": "i1"}), *lines]))
    return FileSource(path)


def test_nothing_of_a_forgotten_user_is_left_but_a_hash(store: RedisStore, redis_url: str) -> None:
    keys, word = store.keys, GONE.encode()
    shard = shard_of(GONE)
    expected = {keys.user(GONE), keys.slates(GONE), keys.dead(shard), keys.events}
    assert places_of(word, redis_url) == expected
    others_letters = len(store.dead_letters())
    wish(store)
    assert places_of(word, redis_url) == {keys.events}
    [wished] = [offset for offset, kind, _ in store.read_events(0, count=999) if kind == "forget"]
    version = store.version()
    at = Progress(version=version, marks=store.low_marks())
    store.trim_events(wished + 1, at=at)
    assert places_of(word, redis_url) == set()
    assert places_of(b"other", redis_url) >= {keys.user("other")}
    assert len(store.dead_letters()) < others_letters
    [audited] = store.erasures()
    assert audited.erasure.digest == digest_of(GONE, store.forget_key())
    assert (audited.erasure.topic, audited.erasure.until_ms) == (EVENTS_TOPIC, WISHED_MS)


def test_events_from_before_the_wish_count_no_more_and_newer_ones_do(
    store: RedisStore, redis_url: str, tmp_path: Path
) -> None:
    before = history_of(store, "other")
    wish(store)
    events = [event for event in lived() if GONE.encode() in event[1]]
    _, tally = run(jsonl(tmp_path / "old.jsonl", events), store)
    assert {verdict for kind, verdict in tally.verdicts if kind != "item"} == {"forgotten"}
    assert sum(tally.verdicts.values()) == len(events) + 1
    assert places_of(GONE.encode(), redis_url) == {store.keys.events}
    assert history_of(store, "other") == before

    new = interaction(900, user_id=GONE, item_id="new", time_ms=WISHED_MS + 1)
    newer = [("interaction", payload(new)), *events]
    run(jsonl(tmp_path / "newer.jsonl", newer), store)
    assert history_of(store, GONE) == ["new"]
    assert store.dead_letters() == []


def test_a_model_that_adopted_the_erasures_keeps_the_user_out_too(
    store: RedisStore, redis_url: str, tmp_path: Path
) -> None:
    wish(store)
    other = RedisStore(redis_url, name="backfilled", forget_memory_s=DECADE_S)
    other.adopt_erasures(store)
    run(jsonl(tmp_path / "all.jsonl", lived()), other)
    assert history_of(other, GONE) == []
    assert len(history_of(other, "other")) == 20
    assert {name for name in places_of(GONE.encode(), redis_url) if "backfilled" in name} == set()
    other.close()
