"""What tests of models share: small shapes, streams to learn from, and equality to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from online_models.learner import Learner
from online_models.state import ModelState
from schemas.events import ItemUpdate, Scalar
from schemas.examples import Example, Query
from schemas.model_config import HOUR_MS, MINUTE_MS, ModelConfig
from schemas.model_log import Publish, decode_publish, encode_publish, is_base

START_MS = 1_760_000_000_000
DAY_MS = 86_400_000
SMALL = ModelConfig(
    repeats="exclude",
    dimensions=8,
    neighbours=6,
    rule_half_lives_ms=(HOUR_MS, float("inf")),
    popularity_half_lives_ms=(10 * MINUTE_MS, float("inf")),
    learning_window=5,
    scoring_window=4,
    encoder_window=4,
    context_slots=3,
    hidden=4,
    capacity=256,
    exact_up_to=20_000,
)


def small(**changes: object) -> ModelConfig:
    """Return a model small enough to be learnt in milliseconds."""
    return msgspec.structs.replace(SMALL, **changes)


@dataclass
class Stream:
    """Makes examples: keeps the history of every unit, and counts offsets."""

    examples: list[Example] = field(default_factory=list)
    excludes: bool = False
    histories: dict[str, list[str]] = field(default_factory=dict)
    contexts: dict[str, dict[str, Scalar]] = field(default_factory=dict)

    def add(
        self,
        unit: str,
        item: str,
        time_ms: int = START_MS,
        *,
        weight: float = 1.0,
        offset: int | None = None,
        context: dict[str, Scalar] | None = None,
        earlier: Sequence[str] = (),
        moment: dict[str, Scalar] | None = None,
    ) -> Example:
        """Append the example of one interaction; its query has the context of the unit's last."""
        history = self.histories.setdefault(unit, [])
        query = Query(
            user_id=unit,
            unit_key=unit,
            history=tuple(history),
            seen=tuple(history) if self.excludes else (),
            context=self.contexts.get(unit, {}),
            earlier=tuple(earlier),
            moment=moment or {},
        )
        example = Example(
            query=query,
            item_id=item,
            kind="click",
            weight=weight,
            time_ms=time_ms,
            opens_unit=not history,
            offset=len(self.examples) if offset is None else offset,
            context=context or {},
        )
        self.contexts[unit] = example.context
        if weight > 0:
            history.append(item)
        self.examples.append(example)
        return example


def chains(
    events: int, *, items: int = 40, length: int = 8, seed: int = 0, step_ms: int = 1_000
) -> list[Example]:
    """Return sessions of walks round a ring of items: what comes next is mostly certain."""
    rng = np.random.default_rng(seed)
    stream, item = Stream(), 0
    for n in range(events):
        place = n % length
        jumps = place == 0 or rng.random() < 0.1
        item = int(rng.integers(items)) if jumps else item + 1
        stream.add(f"s{n // length}", f"i{item % items}", START_MS + n * step_ms)
    return stream.examples


def random_stream(events: int, *, items: int, units: int = 20, seed: int = 0) -> list[Example]:
    """Return events of users who pick items at random, a minute apart, as they have before."""
    rng = np.random.default_rng(seed)
    stream = Stream()
    for n in range(events):
        unit, item = f"u{rng.integers(units)}", f"i{rng.integers(items)}"
        earlier = [f"i{(n + k) % items}" for k in range(n % 4)]
        stream.add(unit, item, START_MS + n * 60_000, earlier=earlier)
    return stream.examples


def learner(config: ModelConfig = SMALL, **options: object) -> Learner:
    """Return a learner of micro-batches of 16 that publishes when told to."""
    options = {"micro_batch": 16, "publish_interval_ms": None, **options}
    return Learner(ModelState(config), **options)  # type: ignore[arg-type]


def learn(examples: Sequence[Example], config: ModelConfig = SMALL, **options: object) -> Learner:
    """Return a learner that has absorbed examples, no micro-batch open."""
    learning = learner(config, **options)
    learning.learn_many(examples)
    learning.close_micro_batch()
    return learning


def over_the_wire(publish: Publish) -> Publish:
    """Return a publish as a reader of the log gets it."""
    return decode_publish(encode_publish(publish))


def recovered(stored: Sequence[Publish]) -> ModelState:
    """Return the state that a learner finds after a crash: that of the log."""
    state = ModelState()
    for publish in stored:
        if publish.progress.version > state.progress.version:
            state.apply_publish(over_the_wire(publish))
    return state


def reload(state: ModelState, *, serve_only: bool = False) -> ModelState:
    """Return a new state, read from a base of another."""
    fresh = ModelState(serve_only=serve_only)
    fresh.apply_publish(over_the_wire(state.snapshot()))
    return fresh


def logged(publishes: Sequence[Publish]) -> list[Publish]:
    """Return the messages of the log among publishes, without the bases."""
    return [publish for publish in publishes if not is_base(publish)]


def update(item_id: str, *, in_stock: bool = True, deleted: bool = False) -> ItemUpdate:
    """Return the catalogue's word on an item."""
    return ItemUpdate(item_id=item_id, in_stock=in_stock, deleted=deleted, title=f"The {item_id}")


def contents(state: ModelState) -> dict[str, object]:
    """Return all that a state holds, so that ``==`` compares it to the bit."""
    items, size = state.items, state.items.size
    tables: dict[str, object] = {
        table.name: (table.array[:size] if table.by_row else table.array).tobytes()
        for table in state.tables.values()
    }
    graph = state.index.graph
    return {
        **tables,
        "rows": {row: items.id_of(row) for row in items.rows().tolist()},
        "size": size,
        "free": list(items.free),
        "servable": items.servable[:size].tobytes(),
        "unservable": items.unservable,
        "catalogue": list(items.catalogue.values()),
        "waiting": [] if state.serve_only else items.snapshot()[1:],
        "popular": [rows.tolist() for rows in state.popularity.lists()],
        "in_graph": np.flatnonzero(state.index._in_graph).tolist(),
        "graph": None if graph is None else (graph.rows, graph.graph, graph.step),
        "progress": state.progress,
    }


def differences(one: ModelState, other: ModelState) -> list[str]:
    """Return the names of what differs between two states; those that one lacks aside."""
    mine, its = contents(one), contents(other)
    skipped = {"waiting"} if one.serve_only or other.serve_only else set()
    return [
        name for name in mine if name in its and name not in skipped and mine[name] != its[name]
    ]
