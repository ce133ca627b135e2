"""What travels from the session step to the learner, and from a request to the recommender."""

from __future__ import annotations

from msgspec import Struct

from schemas.events import Scalar
from schemas.slates import Served


class Query(Struct, frozen=True, gc=False):
    """What is known at the moment of a request, and nothing of what comes after it.

    Parameters
    ----------
    user_id, unit_key
        Who asks, and in which unit (the user, or one of the user's sessions).
    history
        The unit's items, oldest first.
    seen
        Items that must not be recommended.
    time_ms
        The time of the unit's previous event when learning (a page asks when it opens), the
        request's own when serving; ``None`` where the unit has no event yet: the stream's clock.
        Decides which session asks; the models judge by the stream's clock, that of the newest event
        they have absorbed.
    context
        Fields of the unit's previous event when learning, or of the user's where the unit has none;
        the request's own when serving. What the models make of them, see ``Contexts``; hard rules
        read age and region.
    earlier
        Items of the user's other sessions, oldest first; none where the unit is the user.
    moment
        What visits tell of the moment, as values of a context: see ``moments``.
    """

    user_id: str
    unit_key: str
    history: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    time_ms: int | None = None
    context: dict[str, Scalar] = {}
    earlier: tuple[str, ...] = ()
    moment: dict[str, Scalar] = {}


class Example(Struct, frozen=True, gc=False):
    """One interaction to learn from, with the query as it stood just before it.

    Parameters
    ----------
    weight
        By kind; 0 for what moves the marks but teaches nothing.
    opens_unit
        Whether it is the first event of its unit.
    offset
        Its place in its source batch's topic and partition.
    context
        The event's own: it is counted with the event, but no request can have known it.
    """

    query: Query
    item_id: str
    kind: str
    weight: float
    time_ms: int
    opens_unit: bool
    offset: int
    value: float | None = None
    context: dict[str, Scalar] = {}


class Feedback(Struct, frozen=True, gc=False):
    """A labelled slate: what was chosen, and what was shown beside it.

    Parameters
    ----------
    items
        The chosen item and those that were shown and not chosen, by position, some way below the
        last click too, with the features that they had when they were served.
    place
        Of the chosen one in ``items``.
    weight
        By the kind of the interaction.
    offset
        Of the event that completed it, in its source batch's topic and partition.
    """

    user_id: str
    request_id: str
    items: tuple[Served, ...]
    place: int
    weight: float
    time_ms: int
    offset: int
    model_version: int = 0
    variant: str = "default"
