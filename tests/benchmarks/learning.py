"""Measure what learning alone costs on a file's events: no decoding, no scoring, no store.

    python -m tests.benchmarks.learning ../shared/data/globo/events.csv.gz --rows 300000

The flow's own steps make the examples first, which are kept in memory, about 400 bytes each. Prints
processor time per event of all of them and of those after the first 100,000, of which the ranker
learns from every list, and the events a second by the clock, which are more where there is a second
core, on which the encoder learns beside the ranker; ``--hurry`` learns as a flow that is behind
does, ``--described`` with a catalogue that has one of 50 categories and a title for each item.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Sequence
from pathlib import Path

from bytewax.testing import run_main

from flows.recommend import build_flow
from flows.sources.file import FileSource
from flows.tally import Tally
from online_models.learner import Learner
from online_models.state import ModelState
from online_models.threads import compute_on_one_thread
from schemas.events import DEFAULT_KIND_WEIGHTS, ItemUpdate
from schemas.examples import Example
from schemas.model_config import ModelConfig
from schemas.user_state import StreamRules
from serving.store import MemoryStore
from tests.benchmarks.flow_steps import Unlearning

CHUNK = 1_000
YOUNG = 100_000


class Gathering(Unlearning):
    """Keeps examples and learns nothing."""

    def __init__(self) -> None:
        super().__init__(ModelState(), publish_interval_ms=None)
        self.examples: list[Example] = []

    def hear(self, examples: Sequence[Example]) -> None:
        self.examples += examples


def examples_of(source: FileSource, rules: StreamRules) -> list[Example]:
    """Return what the flow makes of a file."""
    gathering = Gathering()
    flow = build_flow(
        source,
        MemoryStore(),
        lambda: gathering,
        rules=rules,
        tally=Tally(),
        micro_batch_wait_ms=None,
    )
    run_main(flow)
    return gathering.examples


def cost_s(learner: Learner, examples: Sequence[Example]) -> tuple[float, float]:
    """Learn, and return the seconds that it took, of processor time and by the clock."""
    started_s, began_s = time.process_time(), time.perf_counter()
    for start in range(0, len(examples), CHUNK):
        learner.learn_many(examples[start : start + CHUNK])
    learner.close_micro_batch()
    return time.process_time() - started_s, time.perf_counter() - began_s


def catalogue(examples: Sequence[Example]) -> list[ItemUpdate]:
    """Return words for each item, in the order in which they come."""
    items = enumerate(dict.fromkeys(example.item_id for example in examples))
    return [
        ItemUpdate(item_id=item_id, categories=(f"c{n % 50}",), title=f"w{n % 997}")
        for n, item_id in items
    ]


def main() -> None:
    """Learn a file, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--unit", default="session")
    parser.add_argument("--repeats", default="exclude")
    parser.add_argument("--hurry", action="store_true")
    parser.add_argument("--described", action="store_true")
    options = parser.parse_args()
    compute_on_one_thread()
    rules = StreamRules(
        kind_weights=DEFAULT_KIND_WEIGHTS, unit=options.unit, repeats=options.repeats
    )
    source = FileSource(options.file, batch_size=CHUNK, limit=options.rows)
    examples = examples_of(source, rules)
    gc.freeze()  # what the file holds is not learning's to look through
    config = ModelConfig(unit=options.unit, repeats=options.repeats)
    cost_s(Learner(ModelState(config), publish_interval_ms=None), examples[:CHUNK])  # loads kernels
    learner = Learner(ModelState(config), publish_interval_ms=None)
    learner.hurry(options.hurry)
    for update in catalogue(examples) if options.described else ():
        learner.describe(update)
    young, old = (cost_s(learner, part) for part in (examples[:YOUNG], examples[YOUNG:]))
    print(f"{len(examples):,} events, {len(learner.state.items):,} items")
    for name, count, (cpu_s, wall_s) in (
        ("all", len(examples), (young[0] + old[0], young[1] + old[1])),
        (f"after {YOUNG:,}", len(examples) - YOUNG, old),
    ):
        if count > 0:
            per_event = f"{count / cpu_s:9,.0f} events/s of CPU {cpu_s / count * 1e6:7.1f} µs"
            print(f"{name:>14} {per_event} {count / wall_s:9,.0f} events/s by the clock")


if __name__ == "__main__":
    main()
