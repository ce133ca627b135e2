"""A replica stays equal to its log, whatever becomes of the log."""

from __future__ import annotations

import pytest

from online_models.recommender import Recommender
from schemas.errors import ModelLogBroken, ModelMissing
from schemas.examples import Query
from schemas.model_log import Evict, Progress, Publish, Put
from serving.replica import Replica, Update
from serving.store import MemoryStore
from tests.builders import SMALL, contents
from tests.serving.models import base_of, level, model_at, put, store_of, written

BROKEN = Put("no.such.table", b"", b"")


def test_replica_of_nothing_is_empty() -> None:
    replica = Replica(MemoryStore())
    assert replica.refresh() == 0
    assert (replica.version, replica.usable) == (0, True)


def test_replica_applies_what_is_published_and_equals_the_learner() -> None:
    publishes = written(6)
    store = store_of(publishes[:2])
    replica = Replica(store, config=SMALL)
    level(replica)
    assert replica.version == 2
    state = replica.state
    for publish in publishes[2:]:
        store.append(publish)
    assert replica.refresh() == 4
    assert replica.state is state
    assert contents(state) == contents(model_at(publishes))
    assert replica.refresh() == 0


def test_replica_that_starts_late_loads_the_newest_base_and_what_follows() -> None:
    publishes = written(6)
    store = MemoryStore()
    for count, publish in enumerate(publishes, start=1):
        store.append(publish)
        if count in (2, 3):
            store.put_base(base_of(publishes[:count]))
    assert [p.progress.version for p in store.read_log(0)] == [3, 4, 5, 6]
    replica = Replica(store)
    assert replica.refresh() == 6
    assert replica.state.config == SMALL
    assert contents(replica.state) == contents(model_at(publishes))


def test_base_that_is_there_before_its_log_entry_is_no_rollback() -> None:
    publishes = written(3)
    store = store_of(publishes[:2])
    put(store, base_of(publishes))
    replica = Replica(store)
    assert replica.refresh() == 3
    state = replica.state
    assert replica.refresh() == 0
    assert replica.state is state
    store.append(publishes[2])
    assert replica.refresh() == 0
    assert replica.state is state


def test_hole_in_the_log_is_closed_by_a_base() -> None:
    publishes = written(6)
    store = store_of(publishes[:2])
    replica = Replica(store, config=SMALL)
    level(replica)
    for publish in publishes[3:]:
        put(store, publish)
    with pytest.raises(ModelLogBroken, match="lacks version 3, and no base makes up for it"):
        replica.refresh()
    assert replica.version == 2
    put(store, base_of(publishes[:4]))
    assert replica.refresh() == 4
    assert contents(replica.state) == contents(model_at(publishes))


def test_hole_within_what_is_read_at_once_is_noticed() -> None:
    publishes = written(4)
    store = store_of(publishes[:1])
    replica = Replica(store, config=SMALL)
    level(replica)
    store.append(publishes[1])
    put(store, publishes[3])
    assert replica.refresh() == 1
    with pytest.raises(ModelLogBroken, match="lacks version 3"):
        replica.refresh()


def test_log_that_was_rolled_back_is_followed_back() -> None:
    publishes = written(5)
    replica = Replica(store_of(publishes), config=SMALL)
    level(replica)
    replica.store = store_of(publishes[:3])
    assert replica.refresh() == -2
    assert contents(replica.state) == contents(model_at(publishes[:3]))


def test_log_that_went_another_way_meanwhile_is_noticed_after_an_outage() -> None:
    one, other = written(4, seed=1), written(5, seed=2)
    replica = Replica(store_of(one), config=SMALL)
    level(replica)
    replica.store = store_of(other)
    replica.doubt()
    assert replica.refresh() == 1
    assert contents(replica.state) == contents(model_at(other))


def test_log_that_is_as_it_was_is_gone_on_with_after_an_outage() -> None:
    publishes = written(4)
    store = store_of(publishes[:3])
    replica = Replica(store, config=SMALL)
    level(replica)
    state = replica.state
    replica.doubt()
    store.append(publishes[3])
    assert replica.refresh() == 1
    assert replica.state is state


def test_store_that_lost_its_model_leaves_the_replica_as_it_was() -> None:
    publishes = written(3)
    replica = Replica(store_of(publishes), config=SMALL)
    level(replica)
    replica.store = MemoryStore()
    with pytest.raises(ModelMissing, match="holds no model any more, this replica has version 3"):
        replica.refresh()
    replica.doubt()
    with pytest.raises(ModelMissing, match="Replay the source"):
        replica.refresh()
    assert (replica.version, replica.usable) == (3, True)


def test_update_that_fails_half_way_makes_the_state_unusable_until_it_is_rebuilt() -> None:
    publishes = written(2)
    good = publishes[1]
    bad = Publish(good.progress, (*good.entries, BROKEN))
    store = store_of((publishes[0], bad))
    replica = Replica(store, config=SMALL)
    with pytest.raises(ModelLogBroken, match=r"no\.such\.table"):
        replica.refresh()
    level(first := Replica(store_of(publishes[:1]), config=SMALL))
    with pytest.raises(ModelLogBroken):
        first.apply(Update((bad,)))
    assert not first.usable
    first.store = store_of(publishes)
    assert first.refresh() == 1
    assert first.usable
    assert contents(first.state) == contents(model_at(publishes))


def test_scorer_replica_ranks_as_the_learner_does() -> None:
    publishes = written(8)
    whole = Replica(store_of(publishes), config=SMALL)
    lean = Replica(store_of(publishes), serve_only=True, config=SMALL)
    level(whole)
    level(lean)
    query = Query(user_id="u", unit_key="u", history=("i1", "i2"))
    assert Recommender(lean.state).recommend(query) == Recommender(whole.state).recommend(query)


def test_empty_publish_moves_the_version_alone() -> None:
    store = store_of((Publish(Progress(version=1), (Evict(()),)),))
    replica = Replica(store, config=SMALL)
    assert replica.refresh() == 1
    assert len(replica.state.items) == 0


def test_replica_that_finds_a_log_before_its_base_waits_for_the_shapes() -> None:
    publishes = written(2)
    store = MemoryStore()
    replica = Replica(store)
    assert replica.refresh() == 0
    store.append(publishes[0])
    for _ in range(2):
        assert (replica.refresh(), replica.version) == (0, 0)
    store.put_base(base_of(publishes[:1]))
    store.append(publishes[1])
    level(replica)
    assert replica.version == 2
    assert replica.state.config == SMALL
