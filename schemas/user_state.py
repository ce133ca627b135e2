"""What is kept of a user: a bounded history, its sessions, and the event ids seen of late."""

from __future__ import annotations

from msgspec import Struct

from schemas.events import Scalar

HASH_BITS = 40
"""Of the hashes that stand for event and session ids: of 32 ids, one in 34 billion is mistaken."""


# Values have no cycles, and there are millions of them: the collector need not look (gc=False).
class Visit(Struct, frozen=True, array_like=True, gc=False):
    """One interaction of the history.

    ``session`` is the ordinal of its session; ``origin`` indexes ``UserState.origins`` and
    ``offset`` is the position there, by which a replayed event finds what preceded it.
    """

    item_id: str
    kind: str
    time_ms: int
    session: int
    origin: int
    offset: int


class Session(Struct, frozen=True, array_like=True, gc=False):
    """A session that may go on. ``key`` is a hash of the producer's id, ``""`` if cut by gaps."""

    key: str
    ordinal: int
    length: int
    newest_ms: int
    context: dict[str, Scalar]


class UserState(Struct, frozen=True, array_like=True, gc=False):
    """The state of one user: a value, never changed in place.

    Bounds (see ``StreamRules``): ``history`` 50 visits, oldest first; ``older`` the 1,000 items
    that left it last, each with its session's ordinal; ``sessions`` the 8 with the newest events,
    newest last; ``recent_ids`` 40-bit hashes of the last 32 event ids; ``disliked`` 100 items;
    ``origins`` the (topic, partition) pairs that the visits' offsets count in, at most 8;
    ``refused`` (origin, offset) of the 16 events that were refused last, by which a replay knows
    them from those that were accepted and have left the history since.
    """

    user_id: str
    history: tuple[Visit, ...] = ()
    older: tuple[tuple[str, int], ...] = ()
    sessions: tuple[Session, ...] = ()
    next_session: int = 0
    newest_ms: int = 0
    recent_ids: tuple[int, ...] = ()
    disliked: tuple[str, ...] = ()
    origins: tuple[tuple[str, int], ...] = ()
    refused: tuple[tuple[int, int], ...] = ()


class StreamRules(Struct, frozen=True, kw_only=True):
    """How a stream of events is read: what makes a session, what repeats, what counts how much.

    Parameters
    ----------
    unit
        ``session``: the next item within the session is learnt and recommended;
        ``user``: the user's next item.
    repeats
        ``exclude``: items that the unit holds already are never recommended; ``allow``: they may
        be. ``""`` takes what suits the unit: ``exclude`` for users, ``allow`` for sessions.
    session_gap_ms
        Ends a session, where the producer gives no session ids.
    allowed_lateness_ms
        An event that is older than its user's newest by more is refused as late.
    kind_weights, default_kind_weight
        What an interaction counts by its kind. Kinds of weight 0 are no feedback to learn from.
    feedback_window_ms
        How long a slate waits for its answers, and an answer for its slate, in event time.
    """

    unit: str = "session"
    repeats: str = ""
    session_gap_ms: int = 1_800_000
    allowed_lateness_ms: int = 3_600_000
    kind_weights: dict[str, float] = {}
    default_kind_weight: float = 1.0
    history_length: int = 50
    older_length: int = 1_000
    open_sessions: int = 8
    recent_ids: int = 32
    feedback_window_ms: int = 1_800_000

    def __post_init__(self) -> None:
        if self.unit not in ("session", "user"):
            raise ValueError(f"unit is {self.unit!r}, use 'session' or 'user'")
        if self.repeats not in ("", "allow", "exclude"):
            raise ValueError(f"repeats is {self.repeats!r}, use 'allow' or 'exclude'")
        if self.session_gap_ms <= 0:
            raise ValueError(f"session_gap_ms is {self.session_gap_ms}, it must be positive")
        if self.feedback_window_ms <= 0:
            raise ValueError(
                f"feedback_window_ms is {self.feedback_window_ms}, it must be positive"
            )

    @property
    def excludes(self) -> bool:
        """Whether items that the unit already holds are left out of slates."""
        return (self.repeats or ("exclude" if self.unit == "user" else "allow")) == "exclude"

    def weight(self, kind: str) -> float:
        """Return what an interaction of this kind counts."""
        found = self.kind_weights.get(kind)
        return self.default_kind_weight if found is None else found
