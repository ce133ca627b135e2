"""Step 1: bytes become events, or refusals with a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from flows.batches import KEPT_OF_OVERSIZED, DecodedBatch, Happening, Record, Refused, SourceBatch
from flows.tally import Tally
from schemas.decoding import decode, user_of
from schemas.errors import EventRefused


class Decoder(Protocol):
    """Knows what the records of one kind of source look like."""

    def __call__(self, records: Sequence[Record], *, now_ms: int) -> tuple[list[Happening], int]:
        """Return what happened, in order, and how many records were filtered out.

        A record that is no event at all, a blank line say, is left out silently.
        """
        ...


def decode_json(records: Sequence[Record], *, now_ms: int) -> tuple[list[Happening], int]:
    """Decode records whose type is known and whose payload is an event as JSON."""
    happenings: list[Happening] = []
    for offset, kind, payload in records:
        if isinstance(kind, Refused):
            happenings.append((offset, kind, payload))
            continue
        try:
            happenings.append((offset, decode(kind, payload, now_ms=now_ms), payload))
        except EventRefused as error:
            refused = Refused(error.reason, error.message, kind[:64], user_of(payload))
            kept = payload[:KEPT_OF_OVERSIZED] if error.reason == "size" else payload
            happenings.append((offset, refused, kept))
    return happenings, 0


class Decode:
    """Decodes batches with a source's own decoder.

    Parameters
    ----------
    now_ms
        The clock by which times in the future are refused.
    """

    def __init__(self, decoder: Decoder, *, tally: Tally, now_ms: Callable[[], int]) -> None:
        self._decoder, self._tally, self._now_ms = decoder, tally, now_ms

    def __call__(self, batches: list[SourceBatch]) -> list[DecodedBatch]:
        with self._tally.timed("decode"):
            return [self._decoded(batch) for batch in batches]

    def _decoded(self, batch: SourceBatch) -> DecodedBatch:
        now_ms = self._now_ms()
        happenings, filtered = self._decoder(batch.records, now_ms=now_ms)
        lag_ms = None if batch.newest_ms is None else now_ms - batch.newest_ms
        self._tally.read(len(happenings) + filtered, filtered=filtered, lag_ms=lag_ms)
        return DecodedBatch(
            batch.topic, batch.partition, batch.seq, batch.end, happenings, batch.newest_ms
        )
