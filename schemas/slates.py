"""What is kept of the slates that a user was shown, until it is known what became of them."""

from __future__ import annotations

from msgspec import Struct


# Values have no cycles: the collector need not look (gc=False).
class Served(Struct, frozen=True, array_like=True, gc=False):
    """One item of a slate, as it was served: its place from 0, and the ranker's features then."""

    item_id: str
    position: int
    propensity: float = 1.0
    features: tuple[float, ...] = ()


class OpenSlate(Struct, frozen=True, array_like=True, gc=False):
    """A slate whose window is open. ``clicked`` are the positions answered so far."""

    request_id: str
    time_ms: int
    items: tuple[Served, ...]
    model_version: int = 0
    variant: str = "default"
    clicked: tuple[int, ...] = ()


class Answer(Struct, frozen=True, array_like=True, gc=False):
    """An interaction that names a request whose slate has not come yet."""

    request_id: str
    item_id: str
    kind: str
    time_ms: int


class Given(Struct, frozen=True, array_like=True, gc=False):
    """A label that was handed on, and the event that gave rise to it: a replay gives it again."""

    topic: str
    partition: int
    offset: int
    slate: OpenSlate
    item_id: str
    kind: str
    time_ms: int


class Slates(Struct, frozen=True, array_like=True, gc=False):
    """A user's slates: a value, never changed in place.

    Bounds: 8 open slates, 16 answers that wait for theirs, and the 16 labels given last (until
    they are published). Dropped when nothing was shown for two windows.
    """

    user_id: str
    open: tuple[OpenSlate, ...] = ()
    waiting: tuple[Answer, ...] = ()
    given: tuple[Given, ...] = ()
