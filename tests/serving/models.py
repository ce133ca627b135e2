"""Models that were learnt in a moment, as their logs."""

from __future__ import annotations

from functools import cache

from online_models.state import ModelState
from schemas.model_log import Publish, is_base
from serving.replica import Replica
from serving.store import MemoryStore, Store
from tests.builders import SMALL, START_MS, Stream, learner

ITEMS = 40


@cache
def written(count: int, *, seed: int = 0) -> tuple[Publish, ...]:
    """Return publishes 1 to ``count`` of a learner, without its bases."""
    learning, stream = learner(), Stream()
    publishes: list[Publish] = []
    for start in range(0, 16 * count, 16):
        for number in range(start, start + 16):
            # Sessions of eight items in a row, round a ring of all items.
            time_ms = START_MS + number * 1_000 * (seed + 1)
            stream.add(f"s{number // 8}", f"i{(number + 7 * seed) % ITEMS}", time_ms)
        learning.learn_many(stream.examples[start:])
        publishes += [p for p in learning.collect() if not is_base(p)]
    return tuple(publishes)


def publish_to(store: Store, publishes: tuple[Publish, ...]) -> None:
    """Append publishes to a store's log, the first with the base that a learner begins it with."""
    for publish in publishes:
        store.append(publish)
        if publish.progress.version == 1:
            store.put_base(base_of(publishes[:1]))


def store_of(publishes: tuple[Publish, ...]) -> MemoryStore:
    """Return a store whose log holds publishes, and no base."""
    store = MemoryStore()
    for publish in publishes:
        store.append(publish)
    return store


def put(store: MemoryStore, publish: Publish) -> None:
    """Put a publish or base into a store whatever it holds, as a store never lets a flow do."""
    if is_base(publish):
        store._bases[publish.progress.version] = publish
    else:
        store._log.append(publish)
        store._version = publish.progress.version


def model_at(publishes: tuple[Publish, ...]) -> ModelState:
    """Return the model after all of the publishes."""
    replica = Replica(store_of(publishes), config=SMALL)
    level(replica)
    return replica.state


def base_of(publishes: tuple[Publish, ...]) -> Publish:
    """Return the base that holds all of the publishes."""
    return model_at(publishes).snapshot()


def level(replica: Replica) -> None:
    """Bring a replica level with its log."""
    while replica.refresh():
        pass
