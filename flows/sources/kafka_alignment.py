"""Partitions that are behind, caught up on together: by when their messages were appended.

An impression is of use while the clicks on it can still come, a click while its slate waits. So
whoever reads a day that has passed reads all partitions of that day side by side, as they came to
be, rather than one topic after the other. Each worker aligns what it reads itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from flows.sources.kafka_inbox import Inbox

AHEAD_MS = 60_000
"""How far a partition may be read ahead of another that has older messages."""
PATIENCE_S = 5.0
"""How long a partition that is silent, as its leader is away, say, holds the others up."""


def horizon_ms(
    inboxes: Iterable[Inbox], is_level: Callable[[Inbox], bool], *, now_s: float
) -> float:
    """Return the time up to which messages may be handed on: a minute past the oldest to come.

    Parameters
    ----------
    is_level
        Whether a partition of which nothing waits has been read to its end.
    now_s
        On the clock of ``Inbox.heard_s``.
    """
    to_come = [_next_ms(inbox, is_level, now_s) for inbox in inboxes]
    return min(to_come, default=math.inf) + AHEAD_MS


def _next_ms(inbox: Inbox, is_level: Callable[[Inbox], bool], now_s: float) -> float:
    next_ms = inbox.next_ms
    if next_ms is not None:
        return next_ms
    if inbox.messages or inbox.is_read or now_s - inbox.heard_s > PATIENCE_S or is_level(inbox):
        return math.inf
    return inbox.reached_ms  # and nothing older than that, or hardly
