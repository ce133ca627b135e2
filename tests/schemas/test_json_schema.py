"""The exported JSON Schema accepts what the decoder accepts, and refuses what it refuses."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas.decoding import decode
from schemas.errors import EventRefused
from schemas.events import EVENT_TYPES
from schemas.json_schema import schema_of

NOW_MS = 1_800_000_000_000
VALIDATORS = {name: Draft202012Validator(schema_of(name)) for name in EVENT_TYPES}

ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
times = st.integers(631_152_000_000, NOW_MS)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**40), 2**40)
contexts = st.dictionaries(
    st.text(max_size=5), st.text(max_size=5) | st.booleans() | numbers, max_size=3
)
positions = st.integers(0, 1_000)
shown = st.fixed_dictionaries(
    {"item_id": ids, "position": positions, "score": numbers},
    optional={
        "propensity": st.floats(0.001, 1),
        "sources": st.lists(ids, max_size=2),
        "features": st.lists(numbers, max_size=2),
    },
)
VALID: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "interaction": st.fixed_dictionaries(
        {"event_id": ids, "user_id": ids, "item_id": ids, "kind": ids, "time_ms": times},
        optional={
            "session_id": st.none() | ids,
            "request_id": st.none() | ids,
            "position": st.none() | positions,
            "value": st.none() | numbers,
            "context": contexts,
            "a field of the producer's own": st.booleans(),
        },
    ),
    "impression": st.fixed_dictionaries(
        {"request_id": ids, "user_id": ids, "time_ms": times, "items": st.lists(shown, max_size=2)},
        optional={"model_version": positions, "variant": ids},
    ),
    "item": st.fixed_dictionaries(
        {"item_id": ids},
        optional={
            "time_ms": st.none() | times,
            "deleted": st.booleans(),
            "title": st.text(max_size=5),
            "categories": st.lists(ids, max_size=2),
            "price": st.none() | st.floats(0, 1e9),
            "in_stock": st.booleans(),
            "min_age": st.integers(0, 150),
            "regions": st.lists(ids, max_size=2),
            "blocked_regions": st.lists(ids, max_size=2),
            "seller_id": st.none() | ids,
            "sponsored": st.booleans(),
            "created_ms": st.none() | times,
            "attributes": contexts,
        },
    ),
    "forget": st.fixed_dictionaries({"user_id": ids}, optional={"time_ms": st.none() | times}),
}
odd_values = (
    st.none()
    | st.booleans()
    | st.text(max_size=5)
    | st.text("x", min_size=250, max_size=260)
    | st.integers(-5, 200)
    | st.sampled_from([0, 631_151_999_999, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**70, -1, 0.5, 1.5])
    | st.lists(st.integers() | st.text(max_size=3), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.none() | st.integers(0, 9), max_size=2)
    | st.sampled_from(
        [
            {str(number): number for number in range(65)},
            {"long": "x" * 1_024},
            {"too long": "x" * 1_025},
            {"x" * 65: 1},
            {"big": 2**63 - 1},
        ]
    )
)


def decodes(event_type: str, event: dict[str, Any]) -> bool:
    payload = json.dumps(event, ensure_ascii=False).encode()
    try:
        decode(event_type, payload, now_ms=2**60)  # the future is not for a schema to tell
    except EventRefused:
        return False
    return True


@pytest.mark.parametrize("event_type", EVENT_TYPES)
@given(data=st.data())
def test_what_is_well_formed_agrees(event_type: str, data: st.DataObject) -> None:
    event = data.draw(VALID[event_type])
    assert VALIDATORS[event_type].is_valid(event) == decodes(event_type, event)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
@given(data=st.data())
def test_what_is_damaged_agrees(event_type: str, data: st.DataObject) -> None:
    event = data.draw(VALID[event_type])
    field = data.draw(st.sampled_from(sorted(schema_of(event_type)["properties"])))
    if data.draw(st.booleans()):
        event.pop(field, None)
    else:
        event[field] = data.draw(odd_values)
    assume(not any(isinstance(v, str) and len(v.encode()) > 256 >= len(v) for v in event.values()))
    assert VALIDATORS[event_type].is_valid(event) == decodes(event_type, event)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_schema_is_itself_well_formed_and_says_what_it_can_not_say(event_type: str) -> None:
    schema = schema_of(event_type)
    Draft202012Validator.check_schema(schema)
    assert "256 bytes" in schema["$comment"]
    assert "\n    " not in schema["description"].split("\n")[0]


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_schema_names_every_field_of_the_type(event_type: str) -> None:
    assert set(schema_of(event_type)["properties"]) == set(
        EVENT_TYPES[event_type].__struct_fields__
    )
