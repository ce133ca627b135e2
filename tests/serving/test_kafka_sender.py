"""What librdkafka tells reaches who waits for it, even when somebody else fails."""

from __future__ import annotations

import asyncio
import threading

import pytest
from confluent_kafka import KafkaError, Message

from schemas.errors import SettingsError
from schemas.positions import Position
from schemas.settings_kafka import KafkaSettings
from serving.kafka_delivery import Delivery
from serving.kafka_sender import Sender
from tests.kafka import Kafka
from tests.patience import PATIENCE_S, until


def test_call_back_that_fails_is_logged_and_others_are_told(
    kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    topic, told = kafka.topic(), threading.Event()
    sender = Sender(KafkaSettings(brokers=kafka.brokers), {})

    def fail(_error: KafkaError | None, _message: Message) -> None:
        raise ZeroDivisionError("in a callback")

    sender.send(topic, b"1", None, fail)
    until(lambda: caplog.records)
    sender.send(topic, b"2", None, lambda _error, _message: told.set())
    assert told.wait(PATIENCE_S)
    sender.close(within_s=60.0)
    assert "can't be served, for a reason nobody foresaw" in caplog.text


def test_size_that_is_no_number_is_refused_as_a_setting() -> None:
    kafka = KafkaSettings(brokers="127.0.0.1:1", properties={"message.max.bytes": "much"})
    with pytest.raises(SettingsError, match=r"kafka\.properties: .*a secret"):
        Sender(kafka, {})


async def test_event_whose_place_is_not_known_counts_as_not_acknowledged() -> None:
    delivery = Delivery(2)
    delivery.told(0, None, Message(topic="t", partition=1, offset=5))
    delivery.told(1, None, Message(topic="t", partition=1, offset=-1001))
    await delivery.complete
    assert delivery.outcomes[0] == Position("t", 1, 5)
    assert isinstance(delivery.outcomes[1], KafkaError)
    assert "it is stored, but not known where" in delivery.outcomes[1].str()
    assert delivery.stored == 1


def test_what_is_told_after_the_end_of_the_loop_harms_nobody() -> None:
    async def made() -> Delivery:
        return Delivery(1)

    delivery = asyncio.run(made())
    delivery.told(0, None, Message(topic="t", partition=1, offset=5))
    assert delivery.stored == 1
