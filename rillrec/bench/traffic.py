"""Seeded events that look like a shop's: something to learn, and nothing that repeats by chance.

- **Items** lie on a ring. Popularity is a Zipf law over them, and drifts: every two thousand events
  a new item enters at the top, and those below it sink by one place.
- **Sessions** have a geometric length. The first item is drawn by popularity; after that a visitor
  walks to one of the next few items of the ring, or, one time in five, leaps to a popular one. So
  there is something to learn about what follows what.
- **Users** are active unequally (log-normal): of 5,000 with 200,000 events, one in four ends with
  50 events or more.
- **Context**: a device, which a user mostly keeps, and a country, which he always does.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from schemas.events import Interaction

START_MS = 1_735_689_600_000
"""2025-01-01: event times are a fixed matter of the seed, too."""
SPAN_MS = 7 * 86_400_000
MEAN_LENGTH = 5.0
MEAN_PAUSE_MS = 30_000.0
ZIPF = 1.0
SPREAD_OF_USERS = 0.8
LEAPS = 0.2
NEAR = np.array((1, 1, 1, 2, 2, 3))
DRIFT_EVERY = 2_000
DEVICES = ("mobile", "desktop", "tablet", "app")
COUNTRIES = ("de", "fr", "pl", "br", "in", "us")

Ints = npt.NDArray[np.int64]


class Traffic(Struct, frozen=True, kw_only=True):
    """How much of what is generated. The same values give the same events, to the byte.

    Parameters
    ----------
    events
        How many.
    users, items
        Among how many they are spread.
    named_sessions
        Whether events carry a session id; else silence tells where a session ends.
    """

    events: int = 200_000
    users: int = 5_000
    items: int = 20_000
    seed: int = 0
    named_sessions: bool = False

    def __post_init__(self) -> None:
        for name in ("events", "users", "items"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be at least 1")


def generated(traffic: Traffic) -> Iterator[Interaction]:
    """Yield the events in the order of their times.

    Examples
    --------
    >>> small = Traffic(events=3, users=2, items=9)
    >>> [event.item_id for event in generated(small)] == [e.item_id for e in generated(small)]
    True
    """
    random = np.random.default_rng([traffic.seed, traffic.users, traffic.items])
    users, sessions, times_ms = _sessions(traffic, random)
    items = _items(traffic, sessions, random)
    order = np.argsort(times_ms, kind="stable")
    countries = random.integers(len(COUNTRIES), size=traffic.users)
    devices = _devices(traffic, users, random)
    ids = random.integers(2**63, size=traffic.events)
    for place in order.tolist():
        user = int(users[place])
        yield Interaction(
            event_id=f"{ids[place]:016x}",
            user_id=user_name(user),
            item_id=item_name(int(items[place])),
            kind="click",
            time_ms=int(times_ms[place]),
            session_id=f"{traffic.seed}-{sessions[place]}" if traffic.named_sessions else None,
            context={"device": DEVICES[devices[place]], "country": COUNTRIES[countries[user]]},
        )


def user_name(number: int) -> str:
    """Return a user's id."""
    return f"user-{number:06d}"


def item_name(number: int) -> str:
    """Return an item's id."""
    return f"item-{number:06d}"


def _sessions(traffic: Traffic, random: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Return each event's user, session and time, session by session."""
    lengths = random.geometric(1 / MEAN_LENGTH, size=traffic.events)
    lengths = lengths[: int(np.searchsorted(np.cumsum(lengths), traffic.events)) + 1]
    lengths[-1] -= lengths.sum() - traffic.events
    activity = random.lognormal(sigma=SPREAD_OF_USERS, size=traffic.users)
    who = random.choice(traffic.users, size=len(lengths), p=activity / activity.sum())
    starts_ms = START_MS + np.sort(random.integers(SPAN_MS, size=len(lengths)))
    sessions = np.repeat(np.arange(len(lengths)), lengths)
    pauses_ms = random.exponential(MEAN_PAUSE_MS, size=traffic.events)
    passed_ms = np.cumsum(pauses_ms)
    first = np.cumsum(lengths) - lengths
    times_ms = starts_ms[sessions] + (passed_ms - np.repeat(passed_ms[first], lengths))
    return who[sessions], sessions, times_ms.astype(np.int64)


def _items(traffic: Traffic, sessions: Ints, random: np.random.Generator) -> Ints:
    """Return each event's item: a walk along the ring from where a session leapt to last."""
    count = len(sessions)
    leaps = random.random(count) < LEAPS
    leaps[np.flatnonzero(np.diff(sessions, prepend=-1))] = True
    landed = _popular(traffic, count, random)
    steps = np.where(leaps, 0, random.choice(NEAR, size=count))
    walked = np.cumsum(steps)
    last_leap = np.maximum.accumulate(np.where(leaps, np.arange(count), 0))
    return np.asarray((landed[last_leap] + walked - walked[last_leap]) % traffic.items)


def _popular(traffic: Traffic, count: int, random: np.random.Generator) -> Ints:
    """Return items by a Zipf law whose top moves on to a new item every so many events."""
    cumulated = np.cumsum(1.0 / np.arange(1, traffic.items + 1) ** ZIPF)
    ranks = np.searchsorted(cumulated, random.random(count) * cumulated[-1])
    drift = np.arange(count) // DRIFT_EVERY
    shuffled = random.permutation(traffic.items)
    return np.asarray(shuffled[(ranks - drift) % traffic.items])


def _devices(traffic: Traffic, users: Ints, random: np.random.Generator) -> Ints:
    own = random.integers(len(DEVICES), size=traffic.users)[users]
    other = random.integers(len(DEVICES), size=len(users))
    return np.where(random.random(len(users)) < 0.9, own, other)
