"""User states and publishes to put into stores, made from small numbers and by hypothesis."""

from __future__ import annotations

from array import array
from random import Random

from hypothesis import strategies as st

from schemas.model_config import ModelConfig
from schemas.model_log import Configure, Entry, Progress, Publish, Sightings
from schemas.slates import Answer, Given, Served, ServedSlate, Slates
from schemas.slates_codec import pack_details
from schemas.user_state import Session, UserState, Visit

START_MS = 1_760_000_000_000


def user(user_id: str, visits: int = 3) -> UserState:
    """Return a user with a few visits of one session, read from the embedded log."""
    return UserState(
        user_id=user_id,
        history=tuple(
            Visit(f"i{n}", "click", START_MS + n * 1_000, 0, 0, (START_MS + n * 1_000 + 40) << 20)
            for n in range(visits)
        ),
        sessions=(Session("", 0, visits, START_MS + visits * 1_000, {"device": "phone"}),),
        next_session=1,
        newest_ms=START_MS + visits * 1_000,
        recent_ids=tuple(range(2**60, 2**60 + visits)),
        origins=(("events", 0),),
    )


def busy_user(user_id: str, seed: int = 0) -> UserState:
    """Return a user with a full history, as irregular as a real one."""
    random = Random(seed)
    time_ms, visits = START_MS, []
    for _ in range(50):
        time_ms += int(random.lognormvariate(10.5, 1.2))
        offset = (time_ms + random.randrange(5, 900)) << 20
        item_id = str(random.randrange(100_000, 999_999))
        visits.append(Visit(item_id, "click", time_ms, 0, 0, offset))
    return UserState(
        user_id=user_id,
        history=tuple(visits),
        sessions=(Session("", 0, 50, time_ms, {"device": "phone", "country": "de"}),),
        next_session=1,
        newest_ms=time_ms,
        recent_ids=tuple(random.getrandbits(64) for _ in range(32)),
        origins=(("events", 0),),
    )


def slates(user_id: str, *, open: int = 2) -> Slates:  # noqa: A002
    """Return a user's slates, some open, with an answer that waits and a label that was given."""
    items = tuple(Served(f"i{n}", n, 0.5, array("f", [n / 7] * 3).tobytes()) for n in range(20))
    ids = tuple(item.item_id for item in items)
    shown = [
        ServedSlate(f"r{n}", START_MS + n, ids, pack_details(items), 3, "b", (0, n))
        for n in range(open + 1)
    ]
    return Slates(
        user_id,
        open=tuple(shown[:-1]),
        waiting=(Answer("r9", "i1", 1.0, START_MS),),
        given=(Given("events", 0, 2**60, "r2", (0, 1, 2), 2, 1.0, START_MS),),
        closed=tuple(shown[-1:]),
    )


def publish(version: int, *, until: int = 0, entries: tuple[Entry, ...] = ()) -> Publish:
    """Return a publish that says of which version it is."""
    progress = Progress(version=version, absorbed=10 * version, marks={"events": {0: until}})
    return Publish(progress, entries or (Sightings((f"i{version}",), (1,)),))


def base(version: int, *, until: int = 0) -> Publish:
    """Return a publish that stands for a base of a version."""
    return publish(version, until=until, entries=(Configure(ModelConfig()),))


_ids = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
_ints = st.integers(0, 2**62)
_scalars = st.one_of(_ids, st.integers(-(2**53), 2**53), st.booleans())
_visits = st.builds(
    Visit, _ids, _ids, _ints, st.integers(0, 2**31), st.integers(0, 7), st.integers(0, 2**63 - 1)
)
_sessions = st.builds(
    Session, _ids, _ints, _ints, _ints, st.dictionaries(_ids, _scalars, max_size=3)
)
any_user = st.builds(
    UserState,
    user_id=_ids,
    history=st.lists(_visits, max_size=60).map(tuple),
    older=st.lists(st.tuples(_ids, _ints), max_size=60).map(tuple),
    sessions=st.lists(_sessions, max_size=8).map(tuple),
    next_session=_ints,
    newest_ms=_ints,
    recent_ids=st.lists(st.integers(0, 2**64 - 1), max_size=32).map(tuple),
    disliked=st.lists(_ids, max_size=10).map(tuple),
    origins=st.lists(st.tuples(_ids, st.integers(0, 1_000)), max_size=8).map(tuple),
    refused=st.lists(st.tuples(st.integers(0, 7), _ints), max_size=16).map(tuple),
)
