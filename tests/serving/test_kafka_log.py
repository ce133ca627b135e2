"""Events are in Kafka once the log says so, each where it says; what can't be stored is told."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from confluent_kafka import Message
from confluent_kafka.admin import NewTopic

from schemas.errors import BrokerError, BrokerUnavailable, QueueFull, RequestRefused, SettingsError
from schemas.positions import Position
from schemas.settings_kafka import KafkaSettings
from serving import kafka_log
from serving.event_log import Entry
from serving.kafka_log import KafkaLog
from tests.kafka import Kafka
from tests.patience import PATIENCE_S, soon

NOBODY = "127.0.0.1:1"
Held = list[tuple[str | bytes | None, str | bytes | None]]


def click(user_id: str, number: int = 0, *, size: int = 20) -> Entry:
    """Return an event whose payload does not compress to much less."""
    filling = random.Random(number).randbytes(size).hex()[: size - 17]
    return Entry("interaction", f'{{"n":{number:4},"f":"{filling}"}}'.encode(), user_id)


def held(kafka: Kafka, topic: str) -> dict[Position, Message]:
    """Return all that a topic holds, by position."""
    return {Position(m.topic(), m.partition(), m.offset()): m for m in kafka.consume(topic)}  # type: ignore[arg-type]


async def trouble_of(log: KafkaLog) -> None:
    """Return once it is known why the brokers do not answer: the first attempt may be slow."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with pytest.raises(BrokerUnavailable) as told:
                await log.ping()
            if "refused" in str(told.value):
                return


@asynccontextmanager
async def log_at(brokers: str, **settings: Any) -> AsyncIterator[KafkaLog]:
    log = KafkaLog(KafkaSettings(brokers=brokers, **settings))
    try:
        yield log
    finally:
        await log.close()


async def test_event_is_where_the_log_says_in_the_topic_of_its_type(kafka: Kafka) -> None:
    topics = kafka.topics(partitions=3)
    entries = [
        Entry("interaction", b'{"i":1}', "ann"),
        Entry("impression", b'{"i":2}', "ann"),
        Entry("item", b'{"i":3}', "tea"),
        Entry("forget", b'{"i":4}', "bob"),
        Entry("unknown", b"{}"),
    ]
    async with log_at(kafka.brokers, **topics) as log:
        positions = await log.append(entries)
    names = ["interactions", "impressions", "items", "forget", "interactions"]
    assert [position.topic for position in positions] == [topics[f"{n}_topic"] for n in names]
    for entry, position in zip(entries, positions, strict=True):
        message = held(kafka, position.topic)[position]
        assert message.value() == entry.payload
        assert message.key() == (entry.key.encode() or None)


async def test_users_events_keep_their_order_in_one_partition(kafka: Kafka) -> None:
    topics = kafka.topics(partitions=4)
    async with log_at(kafka.brokers, **topics) as log:
        calls = [log.append([click(f"u{n % 7}", n)]) for n in range(200)]
        positions = [position for [position] in await asyncio.gather(*calls)]
    for user in range(7):
        own = positions[user::7]
        assert len({position.partition for position in own}) == 1
        assert [position.offset for position in own] == sorted({p.offset for p in own})


async def test_thousand_events_are_stored_at_once_and_none_too(kafka: Kafka) -> None:
    topics = kafka.topics(partitions=4)
    async with log_at(kafka.brokers, **topics) as log:
        assert await log.append([]) == []
        positions = await log.append([click(f"u{n}", n) for n in range(1_000)])
    stored = held(kafka, topics["interactions_topic"])
    assert [stored[p].value() for p in positions] == [click("", n).payload for n in range(1_000)]


async def test_answer_is_quick(kafka: Kafka) -> None:
    times_s = []
    async with log_at(kafka.brokers, **kafka.topics()) as log:
        await log.append([click("ann")])
        for number in range(50):
            started_s = time.perf_counter()
            await log.append([click("ann", number)])
            times_s.append(time.perf_counter() - started_s)
    assert min(times_s) < 0.1  # nothing on the way waits for others to come along


async def test_caller_who_goes_away_leaves_the_log_as_it_was(kafka: Kafka) -> None:
    topics = kafka.topics()
    async with log_at(kafka.brokers, **topics) as log:
        await log.append([click("ann")])
        gone = asyncio.create_task(log.append([click("ann", 1)]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        [position] = await log.append([click("ann", 2)])
    assert position.offset == 2


# ---- what is too large ----------------------------------------------------------------------


async def test_event_beyond_what_is_sent_is_refused_with_size_and_limit(kafka: Kafka) -> None:
    topics = kafka.topics()
    properties = {"message.max.bytes": "50000"}
    async with log_at(kafka.brokers, properties=properties, **topics) as log:
        with pytest.raises(
            RequestRefused, match=r"`events\[1\]` takes 60,003 bytes as JSON, .* 50,000 at most"
        ) as refused:
            await log.append([click("ann"), click("ann", size=60_000)])
        assert "message.max.bytes in kafka.properties" in str(refused.value)
    assert kafka.ends(topics["interactions_topic"]) == {0: 0}


async def test_event_that_a_topic_finds_too_large_harms_no_other(kafka: Kafka) -> None:
    small = kafka.topic("small", config={"max.message.bytes": "20000"})
    topics = {**kafka.topics(), "interactions_topic": small}
    async with log_at(kafka.brokers, properties={"linger.ms": 50}, **topics) as log:
        await log.append([click("ann")])
        others = [log.append([click("bob", n)]) for n in range(5)]
        large = log.append([click("cid"), click("cid", size=30_000), click("cid")])
        *positions, refused = await asyncio.gather(*others, large, return_exceptions=True)
        assert all(isinstance(position, list) for position in positions)
        assert isinstance(refused, RequestRefused)
        assert "`events[1]` takes 30,000 bytes as JSON" in str(refused)
        assert "topic's max.message.bytes; 2 of 3 events are known to be stored" in str(refused)
        with pytest.raises(RequestRefused, match=r"takes no record as large") as alone:
            await log.append([click("cid", size=30_000)])
        assert "known to be stored" not in str(alone.value)
    assert kafka.ends(small) == {0: 8}


# ---- brokers that are not there -------------------------------------------------------------


async def test_brokers_that_are_away_are_told_with_the_cause_within_the_deadline() -> None:
    async with log_at(NOBODY) as log:
        await trouble_of(log)
        started_s = time.monotonic()
        with pytest.raises(
            BrokerUnavailable,
            match=r"Kafka at 127\.0\.0\.1:1 does not answer: .*refused .*; is it running",
        ) as one:
            await log.append([click("ann")], within_s=0.4)
        assert 0.3 < time.monotonic() - started_s < 30.0
        assert str(one.value).endswith("send it again, with the same id it counts once")
        with pytest.raises(BrokerUnavailable, match="0 of 2 events are known to be stored"):
            await log.append([click("ann"), click("bob")], within_s=0.1)
        with pytest.raises(BrokerUnavailable, match="does not answer"):
            await log.ping()
        await soon(lambda: log.unacknowledged == 3)  # what is told of the brokers counts too


async def test_event_that_nobody_takes_is_given_up_after_its_own_time() -> None:
    async with log_at(NOBODY, delivery_timeout_s=1) as log:
        with pytest.raises(BrokerUnavailable, match="does not answer"):
            await log.append([click("ann")])
        await soon(lambda: log.unacknowledged == 0)


async def test_full_queue_is_told_when_there_was_no_room_in_time() -> None:
    properties = {"queue.buffering.max.messages": 5}
    async with log_at(NOBODY, properties=properties) as log:
        with pytest.raises(QueueFull) as full:
            await log.append([click("ann", n) for n in range(6)], within_s=0.3)
        assert "5 events wait for Kafka at 127.0.0.1:1 already (" in str(full.value)
        assert "no room for more within 0.3 s; 0 of 6 events are known" in str(full.value)


async def test_queue_that_empties_in_time_takes_all(kafka: Kafka) -> None:
    topics = kafka.topics()
    properties = {"queue.buffering.max.messages": 5}
    async with log_at(kafka.brokers, properties=properties, **topics) as log:
        assert len(await log.append([click("ann", n) for n in range(100)])) == 100


async def test_more_calls_than_may_wait_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_log, "MOST_WAITING", 2)
    async with log_at(NOBODY) as log:
        waiting = [asyncio.create_task(log.append([click("ann")], within_s=0.5)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match=r"2 calls wait for Kafka at .*: try again later"):
            await log.append([click("ann")], within_s=0.5)
        await asyncio.wait(waiting)
        assert all(isinstance(task.exception(), BrokerUnavailable) for task in waiting)


async def test_end_does_not_wait_for_brokers_that_are_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with log_at(NOBODY) as log:
        with pytest.raises(BrokerUnavailable):
            await log.append([click("ann")], within_s=0.1)
        started_s = time.monotonic()
    assert time.monotonic() - started_s < 60.0  # and not for the 120 s of a delivery
    assert "1 events were not acknowledged by the end" in caplog.text


async def test_what_is_queued_is_sent_before_the_end(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_log, "_CLOSE_S", PATIENCE_S)
    topics = kafka.topics()
    async with log_at(kafka.brokers, properties={"linger.ms": 10_000}, **topics) as log:
        with pytest.raises(BrokerUnavailable, match=r"not acknowledged all events within 0\.01 s"):
            await log.append([click("ann")], within_s=0.01)
    assert kafka.ends(topics["interactions_topic"]) == {0: 1}


# ---- what is set wrongly --------------------------------------------------------------------


async def test_topic_that_is_missing_is_told_and_found_once_it_is_there(kafka: Kafka) -> None:
    topics = {**kafka.topics(), "interactions_topic": f"{kafka.topic()}-missing"}
    missing = topics["interactions_topic"]
    async with log_at(kafka.brokers, **topics) as log:
        for _ in range(2):
            with pytest.raises(BrokerError, match=rf"no topic '{missing}': create it"):
                await log.append([click("ann")])
            with pytest.raises(BrokerError, match=rf"no topic '{missing}': create it"):
                await log.ping()
        kafka.admin.create_topics([NewTopic(missing, 1, 1)])[missing].result(30)
        await eventually(log.ping)
        assert await log.append([click("ann")]) == [Position(missing, 0, 0)]


async def test_only_the_topic_of_interactions_must_be_there(kafka: Kafka) -> None:
    topics = {**kafka.topics(), "impressions_topic": f"{kafka.topic()}-missing"}
    async with log_at(kafka.brokers, **topics) as log:
        await log.ping()
        await log.append([click("ann")])
        with pytest.raises(BrokerError, match=r"has no topic .*-missing"):
            await log.append([Entry("impression", b"{}", "ann")])


def test_property_that_makes_no_sense_is_refused_without_its_value() -> None:
    properties = {"security.protocol": "hunter2"}
    with pytest.raises(SettingsError, match=r"kafka\.properties: .*security\.protocol") as refused:
        KafkaLog(KafkaSettings(brokers=NOBODY, properties=properties))
    assert "hunter2" not in str(refused.value)


async def eventually(call: Callable[[], Any], *, within_s: float = PATIENCE_S) -> None:
    """Return when a call goes well."""
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            return await call()
        except BrokerError:
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.05)
