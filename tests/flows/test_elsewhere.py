"""Who is forgotten in the model that is served is forgotten in the others of its name too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flows.elsewhere import Elsewhere
from flows.sources.log import LogSource
from schemas.keys import shard_of
from serving.store import RedisStore
from tests.flows.streams import interaction, payload, run

pytestmark = pytest.mark.redis

CLICKS = [("interaction", payload(interaction(n, user_id=f"u{n % 5}"))) for n in range(30)]
WISH = ("forget", payload({"user_id": "u1"}))
ALL = [f"u{n}" for n in range(5)]


class Models:
    """Models of one name in one Redis."""

    def __init__(self, url: str, *names: str) -> None:
        self._url = url
        self.stores = {name: self.store(name) for name in names}

    def store(self, name: str) -> RedisStore:
        return RedisStore(self._url, name=name)

    def elsewhere(self, own: str) -> Elsewhere:
        return Elsewhere(lambda: set(self.stores), own=own, store_of=self.store)

    def users(self, name: str) -> set[str]:
        return set(self.stores[name].read_users(ALL))


@pytest.fixture
def models(redis_url: str) -> Iterator[Models]:
    made = Models(redis_url, "served", "former", "built")
    for store in made.stores.values():
        store.append_events(CLICKS)
        run(LogSource(store, follow=False), store, publish_interval_ms=0)
    yield made
    for store in made.stores.values():
        store.close()


def test_a_wish_in_the_served_model_is_fulfilled_in_all(models: Models) -> None:
    served, former = models.stores["served"], models.stores["former"]
    marks = former.read_marks([shard_of("u1")])
    served.append_events([WISH])
    run(
        LogSource(served, follow=False),
        served,
        publish_interval_ms=0,
        forget_elsewhere=models.elsewhere("served"),
    )
    for name in ("served", "former", "built"):
        assert models.users(name) == {"u0", "u2", "u3", "u4"}, name
    assert former.read_marks([shard_of("u1")]) == marks
    assert former.lease_owner() is None


def test_a_model_that_somebody_writes_is_left_to_them(models: Models) -> None:
    assert models.stores["built"].acquire("flow 1 on here", 10_000)
    models.elsewhere("served")(shard_of("u1"), ["u1"])
    assert models.users("former") == {"u0", "u2", "u3", "u4"}
    assert models.users("built") == models.users("served") == set(ALL)
    assert models.stores["built"].lease_owner() == "flow 1 on here"


def test_nobody_is_forgotten_where_nobody_asks_for_it(models: Models) -> None:
    served = models.stores["served"]
    served.append_events(CLICKS[:3])
    run(
        LogSource(served, follow=False),
        served,
        publish_interval_ms=0,
        forget_elsewhere=models.elsewhere("served"),
    )
    assert models.users("former") == set(ALL)
