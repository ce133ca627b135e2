"""The events that producers send: what was shown is kept apart from what the user did.

Field names carry their units. Fields that are not named here are ignored, so that producers may
add their own; fields that are missing or mistyped are refused with their path.
"""

from __future__ import annotations

import unicodedata
from hashlib import sha256
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import force_setattr

Scalar = (
    Annotated[str, Meta(max_length=1_024)]
    | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
    | float
    | bool
)
Id = Annotated[
    str,
    Meta(min_length=1, max_length=256, description="non-empty, at most 256 bytes of UTF-8"),
]
Kind = Annotated[str, Meta(min_length=1, max_length=64, description="an open set of names")]
TimeMs = Annotated[int, Meta(description="milliseconds since 1970-01-01 UTC", ge=0, lt=2**53)]
Place = Annotated[int, Meta(ge=0, lt=2**31, description="a place in a slate, from 0")]
Context = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Scalar],
    Meta(max_length=64, description="at most 64 low-cardinality fields"),
]

MAX_ID_BYTES = 256
ANONYMOUS = "anonymous:"
"""How the ids begin of those who have none of their own: the session's id follows."""
DEFAULT_KIND_WEIGHTS: dict[str, float] = {
    "purchase": 5.0,
    "add_to_cart": 3.0,
    "click": 1.0,
    "rate": 1.0,
    "view": 0.3,
    "impression": 0.0,
    "skip": 0.0,
    "dislike": 0.0,
}


def check_id(name: str, value: str) -> None:
    """Raise ``ValueError`` where an id is too long in bytes or carries control characters."""
    if not value.isascii() and len(value.encode()) > MAX_ID_BYTES:
        raise ValueError(f"`{name}` has {len(value.encode())} bytes, at most {MAX_ID_BYTES} fit")
    if not value.isprintable() and any(unicodedata.category(c) == "Cc" for c in value):
        raise ValueError(f"`{name}` has a control character: {value[:40]!r}")


def anonymous_id(session_id: str) -> str:
    """Return the user id that a session without a user goes by: nobody else's, and always the same.

    Examples
    --------
    >>> anonymous_id("s-17")
    'anonymous:s-17'
    >>> len(anonymous_id(256 * "x"))
    74
    """
    whole = ANONYMOUS + session_id
    if len(whole.encode()) <= MAX_ID_BYTES:
        return whole
    return ANONYMOUS + sha256(session_id.encode()).hexdigest()


class Interaction(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a user did with an item.

    Parameters
    ----------
    event_id
        The same for a retry of the same event; a repeated id of a user is counted once.
    kind
        ``click``, ``purchase``, …: an open set, weighted by the settings.
    user_id
        Left out where nobody is signed in: the session then is a user of its own, whose id is
        ``anonymous:`` and the session's.
    session_id
        Where given, it alone decides which session the event belongs to.
    request_id, position
        The slate that the item was picked from, and its place there, from 0.
    value
        A rating, a price, a dwell time: whatever ``kind`` says.
    """

    event_id: Id
    user_id: Id = ""
    item_id: Id
    kind: Kind
    time_ms: TimeMs
    session_id: Id | None = None
    request_id: Id | None = None
    position: Place | None = None
    value: float | None = None
    context: Context = {}

    def __post_init__(self) -> None:
        check_id("event_id", self.event_id)
        check_id("item_id", self.item_id)
        if self.session_id is not None:
            check_id("session_id", self.session_id)
        if not self.user_id:
            if not self.session_id:
                raise ValueError("Object missing required field `user_id`")
            force_setattr(self, "user_id", anonymous_id(self.session_id))
        check_id("user_id", self.user_id)
        if self.request_id is not None:
            check_id("request_id", self.request_id)


class ShownItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item of a slate, as it was served."""

    item_id: Id
    position: Place
    score: float
    propensity: Annotated[float, Meta(gt=0, le=1)] = 1.0
    sources: tuple[str, ...] = ()
    features: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_id("item_id", self.item_id)


class Impression(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a user was shown: one slate."""

    request_id: Id
    user_id: Id
    time_ms: TimeMs
    items: tuple[ShownItem, ...]
    model_version: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    variant: str = "default"

    def __post_init__(self) -> None:
        check_id("request_id", self.request_id)
        check_id("user_id", self.user_id)


class ItemUpdate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The catalogue's newest word on an item, or its deletion. Later ones replace earlier ones.

    Parameters
    ----------
    categories
        The first one is the item's own, of which slates take a limited share.
    min_age
        Nobody younger gets the item, nor anybody whose age the request's context does not tell.
    regions, blocked_regions
        Where alone the item may be shown, everywhere if empty, and where it may not. Either keeps
        it from requests whose context tells no region.
    sponsored
        Slates label it, and hold few such items.
    """

    item_id: Id
    time_ms: TimeMs | None = None
    deleted: bool = False
    title: str = ""
    categories: tuple[str, ...] = ()
    price: Annotated[float, Meta(ge=0)] | None = None
    in_stock: bool = True
    min_age: Annotated[int, Meta(ge=0, le=150)] = 0
    regions: tuple[str, ...] = ()
    seller_id: Id | None = None
    sponsored: bool = False
    created_ms: TimeMs | None = None
    attributes: Context = {}
    blocked_regions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_id("item_id", self.item_id)
        if self.seller_id is not None:
            check_id("seller_id", self.seller_id)


class Forget(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A user asks to be forgotten."""

    user_id: Id
    time_ms: TimeMs | None = None

    def __post_init__(self) -> None:
        check_id("user_id", self.user_id)


Event = Interaction | Impression | ItemUpdate | Forget

EVENT_TYPES: dict[str, type[Event]] = {
    "interaction": Interaction,
    "impression": Impression,
    "item": ItemUpdate,
    "forget": Forget,
}
