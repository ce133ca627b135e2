"""Step 2: a batch is cut into pieces, one for each shard that has something in it."""

from __future__ import annotations

from flows.batches import DecodedBatch, Happening, Piece
from flows.tally import Tally
from schemas.events import ItemUpdate
from schemas.keys import shard_of


class Shard:
    """Cuts batches into ``(shard, piece)``: users by their id, catalogue updates by the item's.

    A batch in which nothing happened still gives one piece, for the learner to see it end.
    """

    def __init__(self, *, tally: Tally) -> None:
        self._tally = tally

    def __call__(self, batches: list[DecodedBatch]) -> list[tuple[str, Piece]]:
        with self._tally.timed("shard"):
            return [piece for batch in batches for piece in _cut(batch)]


def _cut(batch: DecodedBatch) -> list[tuple[str, Piece]]:
    parts: dict[str, list[Happening]] = {}
    for happening in batch.happenings:
        event = happening[1]
        shard = shard_of(event.item_id if isinstance(event, ItemUpdate) else event.user_id)
        part = parts.get(shard)
        if part is None:
            parts[shard] = [happening]
        else:
            part.append(happening)
    if not parts:
        parts[shard_of("")] = []
    topic, partition, seq, end = batch.topic, batch.partition, batch.seq, batch.end
    return [
        (shard, Piece(shard, topic, partition, seq, len(parts), end, part, batch.newest_ms))
        for shard, part in parts.items()
    ]
