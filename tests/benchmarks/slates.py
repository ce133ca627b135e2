"""What learning and a slate cost, by the size of the catalogue.

    python -m tests.benchmarks.slates --items 50000 --events 300000

prints one JSON object: events learnt per second of CPU, CPU milliseconds for a slate with exact
search and with a graph, the graph's recall of the exact top 40 on the learnt vectors, and the
seconds that building it takes. The stream is made here: units of five items from one of 500
clusters, popular items drawn more often.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator

import numpy as np
import torch

from online_models.asked import read
from online_models.index import build_graph
from online_models.learner import Learner
from online_models.moments import PAUSE, PLACE
from online_models.recommender import Recommender
from online_models.state import ModelState
from online_models.threads import compute_on_one_thread
from schemas.events import Scalar
from schemas.examples import Example, Query
from schemas.model_config import ModelConfig

CLUSTERS = 500
NEAREST = 40
"""As many as the encoder proposes for a slate of 20."""


def stream(items: int, events: int, generator: np.random.Generator) -> Iterator[Example]:
    """Yield units of five events from one cluster each, 50 ms apart."""
    time_ms, size = 1_500_000_000_000, max(2, items // CLUSTERS)
    for unit in range(events // 5):
        cluster = int(generator.integers(CLUSTERS))
        history: tuple[str, ...] = ()
        for place in range(5):
            popular = generator.random() < 0.6
            pick = generator.zipf(1.2) if popular else generator.integers(size)
            item_id = f"i{cluster + CLUSTERS * (int(pick) % size)}"
            moment: dict[str, Scalar] = {PAUSE: 0, PLACE: place.bit_length()}
            query = Query("user", f"u{unit}", history, (), time_ms, moment=moment)
            yield Example(query, item_id, "click", 1.0, time_ms, not history, 5 * unit + place)
            history, time_ms = (*history, item_id), time_ms + 50


def cpu_ms(recommender: Recommender, queries: list[Query]) -> float:
    """Return the median of CPU milliseconds for one slate of 20."""
    costs = []
    for query in queries:
        started_s = time.process_time()
        recommender.recommend(query, 20)
        costs.append(1_000 * (time.process_time() - started_s))
    return round(float(np.median(costs)), 3)


def recall(recommender: Recommender, queries: list[Query]) -> float:
    """Return which share of the exact top that the graph finds."""
    state, found = recommender.state, []
    index = state.index
    for query in queries:
        vector = read(state, query).vector
        assert vector is not None
        near = index.search(vector, NEAREST)
        rows, products = index.products(vector)
        exact = rows[np.argsort(-products, kind="stable")[:NEAREST]]
        found.append(len(np.intersect1d(near, exact)) / NEAREST)
    return round(float(np.mean(found)), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--links", type=int, default=48, help="the graph's links an item")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    compute_on_one_thread()
    generator = np.random.default_rng(options.seed)
    examples = list(stream(options.items, options.events, generator))
    state = ModelState(ModelConfig(exact_up_to=10**9, capacity=2 * options.items))
    learner = Learner(state, publish_interval_ms=None, all_lists_until=5_000)
    started_s = time.process_time()
    for start in range(0, len(examples), 1_000):
        learner.learn_many(examples[start : start + 1_000])
    learner.close_micro_batch()
    learnt_s = time.process_time() - started_s
    queries = [
        example.query for example in examples[-5 * options.queries :] if example.query.history
    ]
    queries, recommender = queries[::4][: options.queries], Recommender(state)
    report: dict[str, float] = {
        "items": len(state.items),
        "established": int(np.count_nonzero(state.popularity.established)),
        "learnt_eps": round(len(examples) / learnt_s),
    }
    report["exact_slate_cpu_ms"] = cpu_ms(recommender, queries)
    rows, started_s = np.flatnonzero(state.popularity.established), time.process_time()
    graph = build_graph(state.encoder.output.array[rows], rows, links=options.links)
    report["graph_build_cpu_s"] = round(time.process_time() - started_s, 2)
    state.apply(graph)
    state.index.exact_up_to = 0
    report["graph_slate_cpu_ms"] = cpu_ms(recommender, queries)
    report[f"graph_recall@{NEAREST}"] = recall(recommender, queries)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
