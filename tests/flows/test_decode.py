"""Bytes into events."""

from __future__ import annotations

from flows.batches import Refused, SourceBatch
from flows.decode import Decode, decode_json
from flows.tally import Tally
from schemas.events import Forget, Interaction
from tests.flows.streams import NOW_MS, interaction, payload


def test_events_and_refusals_keep_their_place_and_their_bytes() -> None:
    good, bad = payload(interaction(0)), b'{"user_id": "u5", "item_id"'
    records = [(3, "interaction", good), (5, "interaction", bad), (9, "forget", b'{"user_id":"a"}')]
    happenings, filtered = decode_json(records, now_ms=NOW_MS)
    assert [(offset, raw) for offset, _, raw in happenings] == [
        (offset, raw) for offset, _, raw in records
    ]
    assert isinstance(happenings[0][1], Interaction)
    assert happenings[2][1] == Forget(user_id="a")
    assert filtered == 0
    refused = happenings[1][1]
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.user_id, refused.event_type) == (
        "malformed",
        "u5",
        "interaction",
    )


def test_types_that_nobody_knows_are_told_as_such() -> None:
    [(_, refused, _), (_, endless, _)], _ = decode_json(
        [(0, "mystery", b"{}"), (1, "x" * 5_000, b"{}")], now_ms=NOW_MS
    )
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.event_type) == ("kind", "mystery")
    assert isinstance(endless, Refused)
    assert endless.event_type == "x" * 64


def test_what_the_source_refused_already_stays_refused() -> None:
    refused = Refused("size", "too long", "unknown", "u1")
    assert decode_json([(4, refused, b"...")], now_ms=NOW_MS) == ([(4, refused, b"...")], 0)


def test_a_batch_is_counted_with_its_age() -> None:
    tally = Tally()
    decode = Decode(decode_json, tally=tally, now_ms=lambda: NOW_MS)
    batch = SourceBatch(
        "t", 0, 2, 7, 10, [(8, "interaction", payload(interaction(0)))], newest_ms=NOW_MS - 40
    )
    [decoded] = decode([batch])
    assert (decoded.topic, decoded.partition, decoded.seq, decoded.end) == ("t", 0, 2, 10)
    assert (tally.records, tally.lag_ms) == (1, 40)
    assert sum(tally.steps["decode"].counts) == 1
