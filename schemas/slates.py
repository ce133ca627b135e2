"""What is kept of the slates that a user was shown, until it is known what became of them."""

from __future__ import annotations

from msgspec import Struct


# Values have no cycles: the collector need not look (gc=False).
class Served(Struct, frozen=True, array_like=True, gc=False):
    """One item of a slate, as it was served.

    Parameters
    ----------
    position
        As the producer counts, from 0.
    propensity
        The probability with which the item got there.
    features
        The ranker's, as little-endian float32; empty where the producer sent none.
    """

    item_id: str
    position: int
    propensity: float = 1.0
    features: bytes = b""


class ServedSlate(Struct, frozen=True, array_like=True, gc=False):
    """A slate: at most its 200 topmost items, by position.

    Parameters
    ----------
    details
        What else was served of the items: ``schemas.slates_codec`` packs and unpacks it.
    clicked
        The places in ``item_ids`` that have been answered so far.
    """

    request_id: str
    time_ms: int
    item_ids: tuple[str, ...]
    details: bytes = b""
    model_version: int = 0
    variant: str = "default"
    clicked: tuple[int, ...] = ()


class Answer(Struct, frozen=True, array_like=True, gc=False):
    """An interaction that names a request whose slate has not come yet."""

    request_id: str
    item_id: str
    weight: float
    time_ms: int


class Given(Struct, frozen=True, array_like=True, gc=False):
    """A label that was handed on, and the event that completed it: a replay gives it again.

    Parameters
    ----------
    topic, partition, offset
        Where that event stands.
    request_id
        Of the slate, which is kept for as long as this is.
    places
        Of the label's items in the slate, the chosen one among them.
    chosen
        The chosen one's.
    """

    topic: str
    partition: int
    offset: int
    request_id: str
    places: tuple[int, ...]
    chosen: int
    weight: float
    time_ms: int


class Slates(Struct, frozen=True, array_like=True, gc=False):
    """A user's slates: a value, never changed in place.

    Bounds: ``open`` the 8 newest slates whose window is open; ``waiting`` the 16 newest answers
    that wait for their slate; ``given`` the labels that the published model does not contain yet,
    at most the newest 256; ``closed`` the slates that only these still refer to. None are kept of a
    user who has nothing of all that.
    """

    user_id: str
    open: tuple[ServedSlate, ...] = ()
    waiting: tuple[Answer, ...] = ()
    given: tuple[Given, ...] = ()
    closed: tuple[ServedSlate, ...] = ()
