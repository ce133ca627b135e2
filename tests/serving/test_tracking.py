"""What the gRPC API takes comes out of the event log as the event that was meant."""

from __future__ import annotations

import math
import re

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.decoding import decode
from schemas.events import Event, Forget, Impression, Interaction, ItemUpdate, ShownItem
from serving import scorer_pb2 as pb
from serving.event_log import Entry
from serving.tracking import forget, logged, refusal

NOW_MS = 1_760_000_000_000

_ids = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60)
_times = st.integers(NOW_MS - 10**11, NOW_MS)
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_optional_ids = st.none() | _ids


def decoded(entry: Entry) -> Event:
    """Return the event that the log's reader gets."""
    return decode(entry.event_type, entry.payload, now_ms=NOW_MS)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.builds(
        Interaction,
        event_id=_ids,
        user_id=_ids,
        item_id=_ids,
        kind=_ids,
        time_ms=_times,
        session_id=_optional_ids,
        request_id=_optional_ids,
        position=st.none() | st.integers(0, 1_000),
        value=st.none() | _numbers,
        context=st.dictionaries(_ids, st.text(max_size=9), max_size=3),
    )
)
def test_interaction_arrives_as_it_was_sent(event: Interaction) -> None:
    given_fields = {
        name: getattr(event, name)
        for name in event.__struct_fields__
        if getattr(event, name) is not None
    }
    sent = pb.Event(interaction=pb.Interaction(**given_fields))
    assert decoded(logged(sent)) == event


def test_impression_arrives_as_it_was_sent() -> None:
    shown = pb.ShownItem(item_id="a", position=1, score=0.5, sources=["rules"], features=[1.0, 2.0])
    drawn = pb.ShownItem(item_id="b", position=2, score=0.25, propensity=0.125)
    sent = pb.Impression(
        request_id="r", user_id="u", time_ms=NOW_MS, items=[shown, drawn], model_version=7
    )
    assert decoded(logged(pb.Event(impression=sent))) == Impression(
        request_id="r",
        user_id="u",
        time_ms=NOW_MS,
        model_version=7,
        items=(
            ShownItem(item_id="a", position=1, score=0.5, sources=("rules",), features=(1.0, 2.0)),
            ShownItem(item_id="b", position=2, score=0.25, propensity=0.125),
        ),
    )


def test_item_that_says_little_keeps_the_defaults() -> None:
    sent = pb.Event(item=pb.ItemUpdate(item_id="a", title="Tea"))
    assert decoded(logged(sent)) == ItemUpdate(item_id="a", title="Tea")


def test_item_arrives_as_it_was_sent() -> None:
    fields = {
        "item_id": "a",
        "time_ms": NOW_MS,
        "deleted": True,
        "title": "Tea",
        "categories": ("hot", "wet"),
        "price": 2.5,
        "in_stock": False,
        "min_age": 18,
        "regions": ("de",),
        "blocked_regions": ("at",),
        "seller_id": "s",
        "sponsored": True,
        "created_ms": NOW_MS - 1,
        "attributes": {"size": "L"},
    }
    sent = pb.Event(item=pb.ItemUpdate(**fields))
    assert decoded(logged(sent)) == ItemUpdate(**fields)  # type: ignore[arg-type]


def test_every_field_of_the_api_is_one_of_the_event() -> None:
    pairs = [
        (pb.Interaction, Interaction),
        (pb.Impression, Impression),
        (pb.ShownItem, ShownItem),
        (pb.ItemUpdate, ItemUpdate),
    ]
    for sent, stored in pairs:
        assert set(sent.DESCRIPTOR.fields_by_name) == set(stored.__struct_fields__)


def test_wish_to_be_forgotten_arrives() -> None:
    wish = forget("ünï", now_ms=NOW_MS)
    assert decoded(wish) == Forget(user_id="ünï", time_ms=NOW_MS)
    assert wish.key == "ünï"


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (pb.Event(), "event type 'unknown' is unknown"),
        (pb.Event(interaction=pb.Interaction()), r"\$\.event_id"),
        (pb.Event(item=pb.ItemUpdate(item_id="a", price=math.nan)), r"\$\.price"),
        (pb.Event(item=pb.ItemUpdate(item_id="a", price=-1.0)), r"\$\.price"),
        (pb.Event(item=pb.ItemUpdate(item_id="a\0")), "control character"),
        (pb.Event(item=pb.ItemUpdate(item_id="a", time_ms=1_760_000_000)), "are these seconds"),
    ],
)
def test_what_the_flow_will_refuse_is_told_early(event: pb.Event, message: str) -> None:
    assert re.search(message, refusal(logged(event), now_ms=NOW_MS))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_number_that_json_lacks_is_refused_with_its_path(value: float) -> None:
    sent = pb.Interaction(
        event_id="e", user_id="u", item_id="i", kind="rate", time_ms=NOW_MS, value=value
    )
    entry = logged(pb.Event(interaction=sent))
    assert "$.value" in refusal(entry, now_ms=NOW_MS)
    assert msgspec.json.decode(entry.payload)["value"] == str(value)


def test_well_formed_event_is_not_refused() -> None:
    sent = pb.Interaction(event_id="e", user_id="u", item_id="i", kind="click", time_ms=NOW_MS)
    assert refusal(logged(pb.Event(interaction=sent)), now_ms=NOW_MS) == ""


@pytest.mark.parametrize(
    ("event", "key"),
    [
        (pb.Event(interaction=pb.Interaction(user_id="ann", item_id="tea")), "ann"),
        (pb.Event(impression=pb.Impression(user_id="ann", request_id="r")), "ann"),
        (pb.Event(item=pb.ItemUpdate(item_id="tea", seller_id="bob")), "tea"),
        (pb.Event(interaction=pb.Interaction(item_id="tea")), ""),
        (pb.Event(), ""),
    ],
)
def test_event_is_keyed_by_whom_it_concerns(event: pb.Event, key: str) -> None:
    assert logged(event).key == key
