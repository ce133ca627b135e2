"""Prints the kernels that the first events of a new flow load or compile, one a line.

Kernels are loaded once in a process, so that only a fresh one can tell.
"""

from __future__ import annotations

import sys

from numba.core.dispatcher import Dispatcher

from flows.learn import learner_of
from online_models.learner import Learner
from serving.store import MemoryStore
from tests.builders import SMALL, START_MS, Stream


def loaded() -> set[str]:
    """Return all kernels of the models that have been loaded, with the types of their arrays."""
    return {
        f"{name}.{kernel} {signature}"
        for name, module in list(sys.modules.items())
        if name.startswith("online_models.")
        for kernel, value in vars(module).items()
        if isinstance(value, Dispatcher)
        for signature in value.signatures
    }


def teach(learner: Learner) -> None:
    """Learn events of all kinds: of new and known users and sessions, with contexts."""
    stream = Stream(excludes=True)
    for n in range(300):
        context = {"place": n % 2, "id": n}
        earlier = [f"i{k}" for k in range(n % 4)]
        stream.add(f"u{n % 40}", f"i{n * 7 % 30}", START_MS + n, context=context, earlier=earlier)
    learner.learn_many(stream.examples)
    learner.close_micro_batch()


if __name__ == "__main__":
    starting = learner_of(MemoryStore(), config=SMALL)
    at_start = loaded()
    teach(starting)
    print(f"{len(at_start)} at the start")
    print("\n".join(sorted(loaded() - at_start)))
