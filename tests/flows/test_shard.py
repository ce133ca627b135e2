"""Batches into pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flows.batches import DecodedBatch, Refused
from flows.shard import Shard
from flows.tally import Tally
from schemas.events import ItemUpdate
from schemas.keys import shard_of


def batch(user_ids: list[str], seq: int = 0) -> DecodedBatch:
    happenings = [
        (n, Refused("field", "no", "unknown", user_id), b"") for n, user_id in enumerate(user_ids)
    ]
    return DecodedBatch("t", 0, seq, 99, list(happenings))


@given(st.lists(st.text(max_size=3), max_size=40))
def test_every_event_is_in_the_piece_of_its_users_shard(user_ids: list[str]) -> None:
    pieces = Shard(tally=Tally())([batch(user_ids)])
    assert {piece.pieces for _, piece in pieces} == {len(pieces)}
    placed = {}
    for shard, piece in pieces:
        assert shard == piece.shard
        offsets = [offset for offset, _, _ in piece.happenings]
        assert offsets == sorted(offsets)
        placed.update(dict.fromkeys(offsets, shard))
    assert placed == {n: shard_of(user_id) for n, user_id in enumerate(user_ids)}


def test_a_batch_in_which_nothing_happened_gives_one_piece() -> None:
    [(_, piece)] = Shard(tally=Tally())([batch([])])
    assert (piece.pieces, piece.happenings, piece.end) == (1, [], 99)


def test_a_catalogue_update_goes_to_its_items_shard() -> None:
    update = ItemUpdate(item_id="tea")
    [(shard, _)] = Shard(tally=Tally())([DecodedBatch("t", 0, 0, 1, [(0, update, b"")])])
    assert shard == shard_of("tea")
