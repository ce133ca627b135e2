"""What a flow tells others, beside what it stores: incidents, and refused events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from flows.dead_letters import DeadLetters
from flows.incidents import Incidents
from flows.tally import Tally
from schemas.settings_kafka import KafkaSettings


class Outlets(NamedTuple):
    """Where incidents and dead letters go. They outlive a flow that is built anew."""

    incidents: Incidents
    dead_letters: DeadLetters | None = None


@contextmanager
def outlets_of(kafka: KafkaSettings, *, letters: bool = True) -> Iterator[Outlets]:
    """Give the outlets that the settings mean: Kafka's topics where brokers are set, else the log.

    Parameters
    ----------
    letters
        Whether refused events are sent to their topic; the store keeps them in any case.

    Raises
    ------
    BrokerError
        There is no topic of dead letters, or the brokers refuse or do not answer.
    """
    tally = Tally()
    if not kafka.brokers:
        yield Outlets(Incidents(tally))
        return
    from flows.kafka_incidents import KafkaIncidents
    from flows.kafka_letters import KafkaLetters

    with ExitStack() as stack:
        listener = stack.enter_context(KafkaIncidents(kafka, tally=tally))
        incidents = Incidents(tally, listener=listener)
        topic = None
        if letters:
            topic = stack.enter_context(KafkaLetters(kafka, incidents=incidents))
        yield Outlets(incidents, topic)
