"""Figures of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rillrec.bench.meter import Measurement


def quantiles(values: Sequence[float]) -> dict[str, float | None]:
    """Return median and 99th percentile, ``None`` where there are no values.

    Examples
    --------
    >>> quantiles([4.0, 1.0, 3.0])
    {'p50': 3.0, 'p99': 4.0}
    """
    return {"p50": quantile(values, 0.5), "p99": quantile(values, 0.99)}


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the least of the values that so large a share of them does not exceed.

    Examples
    --------
    >>> quantile(range(1, 101), 0.95)
    95
    """
    if not values:
        return None
    return round(sorted(values)[max(0, math.ceil(share * len(values)) - 1)], 2)


def cpu_us_per_event(measured: Measurement) -> dict[str, float]:
    """Return processor time per event, in microseconds, by where it goes.

    ``read`` is the source on the workers' threads; then come the steps; ``engine`` is what else
    happens on the workers' threads; ``threads`` are all other threads of the process, above all the
    encoder's, which learns beside the ranker, and the broker's client; ``total`` is the whole
    process. What follows are other processes.
    """
    steps = {"read": measured.reading_s, **measured.steps_s}
    engine = measured.workers_s - sum(steps.values())
    seconds = {
        **steps,
        "engine": engine,
        "threads": measured.process_s - measured.workers_s,
        "total": measured.process_s,
        **measured.beside_s,
    }
    events = max(1, measured.events)
    return {name: round(value / events * 1e6, 2) for name, value in seconds.items()}
