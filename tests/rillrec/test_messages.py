"""Events as messages of the public API keep every field."""

from rillrec.messages import event_to_wire
from schemas.events import Impression, Interaction, ItemUpdate, ShownItem


def test_an_interaction_keeps_its_fields_and_texts_its_context() -> None:
    message = event_to_wire(
        Interaction(
            event_id="e",
            user_id="u",
            item_id="i",
            kind="rate",
            time_ms=1_700_000_000_000,
            session_id="s",
            position=0,
            value=4.5,
            context={"device": "phone", "logged_in": True, "age": 7, "ratio": 0.5},
        )
    ).interaction
    assert (message.event_id, message.user_id, message.item_id) == ("e", "u", "i")
    assert (message.kind, message.time_ms, message.session_id) == ("rate", 1_700_000_000_000, "s")
    assert (message.HasField("position"), message.position, message.value) == (True, 0, 4.5)
    assert dict(message.context) == {
        "device": "phone",
        "logged_in": "true",
        "age": "7",
        "ratio": "0.5",
    }


def test_what_an_interaction_leaves_out_stays_out() -> None:
    event = Interaction(event_id="e", user_id="u", item_id="i", kind="view", time_ms=1)
    message = event_to_wire(event).interaction
    assert not any(
        message.HasField(name) for name in ("session_id", "request_id", "position", "value")
    )


def test_an_impression_keeps_its_items() -> None:
    shown = ShownItem(item_id="i", position=1, score=0.5, propensity=0.2, sources=("rules",))
    message = event_to_wire(
        Impression(request_id="r", user_id="u", time_ms=5, items=(shown,), model_version=9)
    ).impression
    assert (message.request_id, message.model_version, message.variant) == ("r", 9, "default")
    assert (message.items[0].item_id, message.items[0].position) == ("i", 1)
    assert (message.items[0].propensity, list(message.items[0].sources)) == (0.2, ["rules"])


def test_an_item_update_keeps_its_fields() -> None:
    message = event_to_wire(
        ItemUpdate(item_id="i", title="Tea", categories=("drinks",), in_stock=False, price=2.0)
    ).item
    assert (message.item_id, message.title, list(message.categories)) == ("i", "Tea", ["drinks"])
    assert (message.HasField("in_stock"), message.in_stock, message.price) == (True, False, 2.0)
    assert not message.HasField("created_ms")
