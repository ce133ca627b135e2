"""Raw consuming: librdkafka's batches and nothing else, the yardstick of all reading."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from rillrec.bench.meter import Measurement, Meter
from schemas.errors import BrokerError
from schemas.kafka import client_properties, explained
from schemas.settings import Settings

POLL_S = 0.1


def consume(
    settings: Settings,
    meter: Meter,
    *,
    partitions: int,
    workers: int,
    ready: Callable[[], None],
) -> Measurement:
    """Read the interactions from their beginning until all that are to come are there.

    Each worker is a thread with a consumer of its own, which has every ``workers``-th partition.

    Raises
    ------
    BrokerError
        The broker refused to let a partition be read.
    """
    failures: list[Exception] = []

    def work(worker: int) -> None:
        try:
            _consume(settings, meter, range(worker, partitions, workers))
        except Exception as error:  # raised again by the one who waits for this thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(workers)]
    ready()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return meter.measurement()


def _consume(settings: Settings, meter: Meter, partitions: Iterable[int]) -> None:
    kafka, batch_size = settings.kafka, settings.flow.batch_size
    topic = kafka.interactions_topic
    consumer = Consumer(
        client_properties(kafka, {"group.id": "bench", "enable.auto.commit": False})
    )
    try:
        consumer.assign([TopicPartition(topic, part, OFFSET_BEGINNING) for part in partitions])
        while not meter.all_arrived:
            with meter.reading():
                messages = consumer.consume(batch_size, POLL_S)
            if not messages:
                continue
            error = messages[0].error()
            if error is not None:
                raise BrokerError(
                    explained(error.name(), error.str(), brokers=kafka.brokers, topic=topic)
                )
            meter.arrived(len(messages))
            meter.done()
    finally:
        consumer.close()
