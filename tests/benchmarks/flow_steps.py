"""Measure what each step of the flow costs, all but learning itself.

    python -m tests.benchmarks.flow_steps ../shared/data/globo/events.csv.gz --rows 300000

Prints processor time per event, by step, on one core and with a store in memory; ``engine`` is what
the steps do not account for: reading the file, and Bytewax.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from bytewax.testing import run_main

from flows.recommend import build_flow
from flows.sources.file import FileSource
from flows.tally import Tally
from online_models.learner import Learner
from online_models.state import ModelState
from schemas.events import DEFAULT_KIND_WEIGHTS, ItemUpdate
from schemas.examples import Example, Feedback
from schemas.model_log import Publish
from schemas.user_state import StreamRules
from serving.store import MemoryStore


class Unlearning(Learner):
    """Takes examples and learns nothing."""

    def learn_many(
        self,
        examples: Sequence[Example],
        *,
        topic: str = "",
        partition: int = 0,
        until: int | None = None,
        now_ms: int = 0,
        updates: Sequence[tuple[int, ItemUpdate]] = (),
        feedback: Sequence[Feedback] = (),
    ) -> list[Publish]:
        self.hear(examples)
        return []

    def hear(self, examples: Sequence[Example]) -> None:
        """Take examples that nothing is learnt of."""


def main() -> None:
    """Run the flow once, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--batch-size", type=int, default=1_000)
    arguments = parser.parse_args()
    source = FileSource(arguments.file, batch_size=arguments.batch_size, limit=arguments.rows)
    tally = Tally(clock=time.process_time)
    flow = build_flow(
        source,
        MemoryStore(),
        lambda: Unlearning(ModelState(), publish_interval_ms=None),
        rules=StreamRules(kind_weights=DEFAULT_KIND_WEIGHTS),
        tally=tally,
        micro_batch_wait_ms=None,
    )
    started_s = time.process_time()
    run_main(flow)
    whole_s = time.process_time() - started_s
    print(f"{tally.records} records, {tally.events / whole_s:,.0f} events/s")
    steps = {name: times.total_s for name, times in tally.steps.items()}
    for name, seconds in {**steps, "engine": whole_s - sum(steps.values())}.items():
        print(f"{name:>11} {seconds / tally.records * 1e6:6.2f} µs per event")


if __name__ == "__main__":
    main()
