"""The simulated crowd at work: it clicks through the public API, and measures what it gets."""

from __future__ import annotations

import threading
import time
from collections import deque
from statistics import median

from msgspec import Struct

from rillrec.client import Client, Slate
from rillrec.simulation import Click, Simulation, catalogue_updates, event_of
from schemas.errors import CallFailed
from schemas.events import Interaction

TRACK_AT_ONCE = 50
REMEMBERED = 300
SLATE_LENGTH = 10
UNCAPPED = {"category_share": 1.0, "explore_every": 0}
"""Rules of a slate that may be of one taste alone: so it shows what was learnt."""


class Standing(Struct, frozen=True):
    """How the crowd fares at one moment.

    Parameters
    ----------
    clicks
        Tracked so far.
    hit_rate
        Share of the last measured clicks that were on the slate shown just before.
    freshness_ms, slowest_ms
        From the reply of Track to a slate that reflects the click: median, and 99th percentile.
    """

    clicks: int
    hit_rate: float
    freshness_ms: float
    slowest_ms: float


class Crowd:
    """Makes visitors click, in a thread of its own once ``start`` is called.

    Parameters
    ----------
    clicks_per_s
        Of the whole crowd, once it runs.
    measure_every
        One visitor in so many is shown a slate before each click, and asked how fresh it is.
    """

    def __init__(
        self,
        simulation: Simulation,
        client: Client,
        *,
        clicks_per_s: float = 100.0,
        measure_every: int = 10,
    ) -> None:
        self.simulation = simulation
        self._client = client
        self._stream = simulation.clicks()
        self._pause_s = 1.0 / clicks_per_s
        self._measure_every = measure_every
        self._hits: deque[bool] = deque(maxlen=REMEMBERED)
        self._freshness_ms: deque[float] = deque(maxlen=REMEMBERED)
        self._slates: dict[str, Slate] = {}
        self._tracked = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="crowd", daemon=True)

    def describe_catalogue(self) -> None:
        """Tell the titles of all items."""
        self._client.track(catalogue_updates(self.simulation))

    def click_at_once(self, count: int) -> None:
        """Track so many clicks as fast as the scorer takes them, spread over the last minutes."""
        now_ms = time.time_ns() // 1_000_000
        for begin in range(0, count, TRACK_AT_ONCE):
            size = min(TRACK_AT_ONCE, count - begin)
            times_ms = [now_ms - 100 * (count - begin - place) for place in range(size)]
            self._client.track([self._event(next(self._stream), time_ms) for time_ms in times_ms])

    def start(self) -> None:
        """Click on, in the background, until ``stop``."""
        self._thread.start()

    def stop(self) -> None:
        """Click no more."""
        self._ending.set()
        self._thread.join(5.0)

    def shift(self) -> None:
        """Have all visitors like something else, and measure anew."""
        self.simulation.shift()
        self._hits.clear()

    def standing(self) -> Standing:
        """Return how the crowd fares."""
        hits, times_ms = list(self._hits), sorted(self._freshness_ms)
        return Standing(
            clicks=self._tracked,
            hit_rate=sum(hits) / len(hits) if hits else 0.0,
            freshness_ms=median(times_ms) if times_ms else 0.0,
            slowest_ms=times_ms[int(0.99 * (len(times_ms) - 1))] if times_ms else 0.0,
        )

    def _event(self, click: Click, time_ms: int) -> Interaction:
        self._tracked += 1
        return event_of(click, number=self._tracked, time_ms=time_ms)

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._ending.is_set():
            due_s = max(due_s + self._pause_s, time.monotonic() - 1.0)
            self._ending.wait(max(0.0, due_s - time.monotonic()))
            click = next(self._stream)
            try:
                self._make(click)
            except CallFailed:  # the scorer is being started again: the visitor reloads the page
                self._ending.wait(0.5)

    def _make(self, click: Click) -> None:
        measured = int(click.user_id[-3:]) % self._measure_every == 0
        if measured and (slate := self._slates.get(click.user_id)):
            self._hits.append(click.item_id in {item.item_id for item in slate.items})
        receipt = self._client.track([self._event(click, time.time_ns() // 1_000_000)])[0]
        if measured:
            slate, ms = fresh_slate(self._client, click.user_id, after=receipt.position)
            self._slates[click.user_id] = slate
            self._freshness_ms.append(ms)


def fresh_slate(
    client: Client, user_id: str, *, after: str, k: int = SLATE_LENGTH
) -> tuple[Slate, float]:
    """Return a slate that reflects an event just tracked, and how many ms it took to get it."""
    begin_s = time.perf_counter()
    slate = client.recommend(user_id, k, after=after, rules=UNCAPPED)
    return slate, (time.perf_counter() - begin_s) * 1e3
