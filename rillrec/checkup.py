"""What can be wrong with an installation, looked at one by one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from rillrec.health import scorer_status
from schemas.errors import ModelError, StoreError
from schemas.positions import mark_of
from schemas.settings import Settings
from serving.replica import Replica
from serving.store import RedisStore
from serving.store.protocol import EVENTS_TOPIC
from serving.store.wire import Wire

OLDEST_REDIS = (6, 2)
BACKLOG = 10_000
STALE_S = 60.0
_SEQUENCE_BITS = 20  # of an offset in the event log: the rest is its time in milliseconds


class Finding(Struct, frozen=True):
    """One thing looked at: how it is, and what to do if it is not well."""

    name: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    remedy: str = ""


def check_redis(url: str) -> Iterator[Finding]:
    """Look at the server: whether it answers, is new enough, and keeps what it acknowledges."""
    wire = Wire(url, timeout_s=3.0)
    try:
        info = _info(wire.call("INFO"))
        yield _check_version(info.get("redis_version", "0"))
        if info.get("role") == "slave":
            yield Finding("redis role", "fail", "it is a replica", "name the primary")
        if info.get("aof_enabled") == "1":
            yield Finding("redis appendonly", "ok", "on: what was tracked survives a crash")
        else:
            yield Finding(
                "redis appendonly",
                "warn",
                "off: a crash loses what was tracked since the last snapshot",
                "redis-cli CONFIG SET appendonly yes, or feed it from Kafka",
            )
        yield _check_policy(info)
    except StoreError as error:
        yield Finding("redis", "fail", str(error), "start it, or correct store.redis_url")
    finally:
        wire.close()


def _info(reply: bytes) -> dict[str, str]:
    lines = reply.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _check_version(version: str) -> Finding:
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers >= OLDEST_REDIS:
        return Finding("redis", "ok", f"answers, version {version}")
    return Finding("redis", "fail", f"version {version} is too old", "upgrade to 6.2 or newer")


def _check_policy(info: dict[str, str]) -> Finding:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy in ("noeviction", "volatile-ttl", "volatile-lru", "volatile-lfu"):
        return Finding("redis eviction", "ok", f"maxmemory-policy is {policy}")
    return Finding(
        "redis eviction",
        "fail",
        f"maxmemory-policy is {policy}: it may drop the model or its log",
        "redis-cli CONFIG SET maxmemory-policy noeviction",
    )


def check_model(store: RedisStore) -> Finding:
    """Load the model as a scorer does: the newest base, and the log behind it without a hole."""
    replica = Replica(store, serve_only=True)
    try:
        while replica.refresh():
            pass
    except (ModelError, StoreError) as error:
        return Finding(
            "model", "fail", str(error), "run `rillrec flow`, or replay with --into, to publish one"
        )
    progress = replica.state.progress
    if not progress.version:
        return Finding(
            "model",
            "warn",
            f"none called {store.keys.name!r} is published yet",
            "track events while `rillrec up` runs, or `rillrec replay FILE --into NAME`",
        )
    age = _span(time.time() - progress.time_ms / 1e3)
    return Finding(
        "model",
        "ok",
        f"version {progress.version:,}: {len(replica.state.items):,} items, learnt from "
        f"{progress.trained:,} events, the newest {age} ago",
    )


def check_backlog(store: RedisStore) -> Finding:
    """Count what was tracked and is not in the published model yet."""
    low = mark_of(store.low_marks(), EVENTS_TOPIC, 0)
    waiting = store.read_events(low, count=BACKLOG)
    if not waiting:
        return Finding("event log", "ok", "everything tracked is in the published model")
    age_s = time.time() - (waiting[0][0] >> _SEQUENCE_BITS) / 1e3
    many = f"{len(waiting):,}{' or more' if len(waiting) == BACKLOG else ''}"
    detail = f"{many} events wait to be learnt, the oldest for {_span(age_s)}"
    if age_s < STALE_S:
        return Finding("event log", "ok", detail)
    return Finding("event log", "warn", detail, "start `rillrec flow`, or look at its log")


def check_dead_letters(store: RedisStore) -> Finding:
    """Look whether events were refused."""
    letters = store.dead_letters(limit=1_000)
    if not letters:
        return Finding("dead letters", "ok", "no event was refused")
    newest = letters[-1]
    return Finding(
        "dead letters",
        "warn",
        f"{len(letters):,} refused; the newest: {newest.reason}, {newest.message}",
        "correct the producer; `rillrec schema` prints the contract",
    )


def check_flow(store: RedisStore) -> Finding:
    """Look whether a flow holds the model's lease."""
    owner = store.lease_owner()
    if owner:
        return Finding("flow", "ok", f"{owner} learns")
    return Finding("flow", "warn", "none runs: nothing is learnt", "`rillrec up` or `rillrec flow`")


def check_scorer(settings: Settings) -> Finding:
    """Ask the scorer for its health."""
    address = f"{settings.serve.host}:{settings.serve.port}"
    status = scorer_status(address)
    if status == "SERVING":
        return Finding("scorer", "ok", f"serves on {address}")
    if status == "UNREACHABLE":
        return Finding(
            "scorer", "warn", f"none answers on {address}", "`rillrec up` or `rillrec serve`"
        )
    return Finding(
        "scorer", "fail", f"on {address} it reports {status}", "look at what `rillrec serve` prints"
    )


def check_extra() -> Finding:
    """Look whether what learning takes is installed."""
    import importlib.util

    missing = [name for name in ("bytewax", "torch") if importlib.util.find_spec(name) is None]
    if not missing:
        return Finding("packages", "ok", "rillrec[flow] is installed")
    return Finding(
        "packages",
        "warn",
        f"without {' and '.join(missing)} this machine can serve, but not learn",
        "pip install 'rillrec[flow]'",
    )


def _span(seconds: float) -> str:
    """Return a time span as people say it."""
    for unit, length_s in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:,.0f} {unit}"
    return f"{max(seconds, 0.0):.1f} s"
