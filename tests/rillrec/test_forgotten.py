"""``rillrec forgotten``: hashes and times, and whether it was you."""

from __future__ import annotations

import json
import time

import pytest

from schemas.forgetting import digest_of
from schemas.keys import shard_of
from serving.store import Erasure, RedisStore, ShardWrite
from serving.store.alias import Alias
from serving.store.wire import Wire
from tests.rillrec.conftest import Run

pytestmark = pytest.mark.redis
UNTIL_MS = 1_760_000_000_000


@pytest.fixture
def store(redis_url: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> RedisStore:
    monkeypatch.setenv("RILLREC_STORE__REDIS_URL", redis_url)
    return RedisStore(redis_url, name="default")


def forget(store: RedisStore, user_id: str) -> str:
    digest = digest_of(user_id, store.forget_key())
    erased = (Erasure(digest, UNTIL_MS, "forget", 2, 17),)
    store.write_shards([ShardWrite(shard_of(user_id), {}, {}, (user_id,), erased=erased)])
    return digest.hex()


def test_nobody_was_forgotten_yet(store: RedisStore, run: Run) -> None:
    assert run("forgotten").out == "nobody was forgotten\n"
    assert run("forgotten", "--user", "ann").out == "this user was not forgotten\n"
    assert json.loads(run("forgotten", "--json").out) == {"forgotten": []}
    store.close()


def test_who_was_forgotten_is_told_by_hash_and_found_by_id(store: RedisStore, run: Run) -> None:
    ann = forget(store, "ann")
    time.sleep(0.002)  # the audit is told in order of time, which it holds in milliseconds
    bob = forget(store, "bob")
    ran = run("forgotten")
    assert [line.split()[1] for line in ran.out.splitlines()] == [ann, bob]
    assert "what happened until 2025-10-09T08:53:20.000+00:00, as forget/2@17 wished" in ran.out
    [told] = json.loads(run("forgotten", "--user", "bob", "--json").out)["forgotten"]
    assert (told["who"], told["topic"], told["offset"]) == (bob, "forget", 17)
    assert run("forgotten", "--user", "eve").out == "this user was not forgotten\n"
    store.close()


def test_the_model_that_a_name_stands_for_is_looked_at(
    store: RedisStore, redis_url: str, run: Run
) -> None:
    other, wire = RedisStore(redis_url, name="other"), Wire(redis_url, timeout_s=5.0)
    ann = forget(other, "ann")
    Alias(wire, "default").move("other")
    assert ann in run("forgotten").out
    for used in (store, other, wire):
        used.close()
