"""A file's events into Kafka's topics: read as a replay reads them, sent as the contract says."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import msgspec

from flows.batches import Happening, Refused
from flows.dead_letters import DeadLetterFile
from flows.decode import Decode
from flows.recommend import wall_ms
from flows.sources.file import FileSource
from flows.tally import Tally
from rillrec.sender import Sender
from rillrec.signals import Terminated
from schemas.errors import SourceError
from schemas.events import EVENT_TYPES, Event, ItemUpdate
from schemas.kafka import topic_of
from schemas.settings_kafka import KafkaSettings
from serving.store import DeadLetter

_TYPES = {kind: name for name, kind in EVENT_TYPES.items()}


class Producing:
    """Sends each row of a file as an event, to the topic of its type.

    Parameters
    ----------
    dead_letters
        Where refused rows go; they are never sent.

    Attributes
    ----------
    refused
        Reason to how many rows; ``first`` has the message of the first of each.
    """

    def __init__(
        self,
        source: FileSource,
        sender: Sender,
        kafka: KafkaSettings,
        *,
        dead_letters: DeadLetterFile | None = None,
    ) -> None:
        self.source, self.sender, self.tally = source, sender, Tally()
        self._dead_letters = dead_letters
        self._topics = {name: topic_of(kafka, name) for name in EVENT_TYPES}
        self.refused: Counter[str] = Counter()
        self.first: dict[str, str] = {}
        self.seconds = 0.0

    def run(self) -> None:
        """Send the whole file, and return when all of it is acknowledged.

        Whoever interrupts this, waits for what was sent.

        Raises
        ------
        SourceError
            The file breaks off: what came before was sent.
        BrokerError
            The brokers refuse an event, or did not acknowledge one in time.
        """
        began_s = time.perf_counter()
        try:
            try:
                self._send_all()
            except (SourceError, KeyboardInterrupt, Terminated):
                self.sender.flush()
                raise
            self.sender.flush()
        finally:
            self.seconds = time.perf_counter() - began_s
            self.sender.close()

    def _send_all(self) -> None:
        decode = Decode(self.source.decoder, tally=self.tally, now_ms=wall_ms)
        for batch in self.source.batches():
            for decoded in decode([batch]):
                for happening in decoded.happenings:
                    self._take(decoded.topic, happening)

    def _take(self, name: str, happening: Happening) -> None:
        row, what, payload = happening
        if not isinstance(what, Refused):
            self.sender.send(self._topics[_TYPES[type(what)]], _key(what), _value(what))
            return
        self.refused[what.reason] += 1
        self.first.setdefault(what.reason, f"row {row + 1:,}: {what.message}")
        if self._dead_letters is not None:
            letter = DeadLetter(name, 0, row, what.event_type, what.reason, what.message, payload)
            self._dead_letters.write([letter])

    def report(self) -> dict[str, Any]:
        """Return what became of the rows, as JSON has it."""
        sent = self.sender.sent
        return {
            "rows": self.tally.records,
            "sent": dict(sent),
            "acknowledged": self.sender.acknowledged,
            "filtered": self.tally.filtered,
            "refused": dict(self.refused),
            "seconds": round(self.seconds, 3),
            "events_per_s": round(sent.total() / self.seconds) if self.seconds else 0,
        }


def _key(event: Event) -> str:
    return event.item_id if isinstance(event, ItemUpdate) else event.user_id


def _value(event: Event) -> bytes:
    return msgspec.json.encode(event)
