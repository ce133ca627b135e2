"""What Kafka made of the events of one call: told in one thread, awaited in another."""

from __future__ import annotations

import asyncio
import logging
import threading

from confluent_kafka import KafkaError, Message

from schemas.positions import Position

_log = logging.getLogger(__name__)


class Delivery:
    """Gathers what became of each event, and wakes the loop once, when all of it is known.

    Made on the loop that awaits it; ``told`` may be called by any thread.

    Parameters
    ----------
    count
        How many events the call has.

    Attributes
    ----------
    outcomes
        A position for what is stored, an error for what is not, ``None`` while it is not known.
    """

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._left = count
        self.outcomes: list[Position | KafkaError | None] = [None] * count
        self.complete: asyncio.Future[None] = self._loop.create_future()

    @property
    def stored(self) -> int:
        """How many events are known to be stored."""
        return sum(isinstance(outcome, Position) for outcome in self.outcomes)

    def told(self, place: int, error: KafkaError | None, message: Message) -> None:
        """Take note of what became of the event at ``place``."""
        self._note(place, error or _position_of(message))

    def refuse(self, place: int, error: KafkaError) -> None:
        """Take note that the event at ``place`` was not even sent."""
        self._note(place, error)

    def _note(self, place: int, outcome: Position | KafkaError) -> None:
        with self._lock:
            self.outcomes[place] = outcome
            self._left -= 1
            if self._left:
                return
        try:
            self._loop.call_soon_threadsafe(self._finish)
        except RuntimeError:  # the loop has ended: nobody waits any more
            _log.debug("events were acknowledged after the loop had ended")

    def _finish(self) -> None:
        if not self.complete.done():
            self.complete.set_result(None)


def _position_of(message: Message) -> Position | KafkaError:
    """Return where a message is stored.

    The broker may know that it has it already, from an attempt whose reply was lost, and no more
    where: then it counts as not acknowledged, and whoever sends it again learns a position.
    """
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None or offset < 0:
        return KafkaError(KafkaError._MSG_TIMED_OUT, "it is stored, but not known where")
    return Position(topic, partition, offset)
