"""What seldom happens to a consumer, and what librdkafka hardly ever tells."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from flows.sources.kafka import KafkaSource
from flows.sources.kafka_bounds import bounds_of
from flows.sources.kafka_inbox import Inbox
from flows.sources.kafka_reader import Reader
from flows.sources.kafka_reports import Reports
from flows.sources.kafka_start import Bounds
from flows.sources.kafka_topics import Topics
from flows.sources.kafka_watch import BrokerWatch
from schemas.errors import BrokerError, BrokerUnavailable
from schemas.settings_kafka import KafkaSettings
from tests.flows.kafka_streams import (
    Partition,
    clicks,
    offsets_in,
    opened,
    read_until,
    records_of_batches,
    settings_of,
    told_incidents,
)
from tests.flows.sources.test_kafka_records import Fetched
from tests.kafka import Kafka

ANYWHERE = KafkaSettings(brokers="127.0.0.1:1", metadata_timeout_s=0.2)


class Failing(Fetched):
    """An error as a consumer gives it."""

    def __init__(self, code: int, topic: str | None) -> None:
        super().__init__(b"no value")
        self._topic, self._error = topic, KafkaError(code)

    def topic(self) -> str:
        return cast(str, self._topic)

    def error(self) -> KafkaError | None:
        return self._error


@pytest.fixture
def reading(kafka: Kafka) -> Iterator[tuple[Reader, Partition, str]]:
    """A reader with one partition, of five events."""
    settings = settings_of(kafka)
    topic = settings.interactions_topic
    kafka.produce(topic, clicks(5))
    source = KafkaSource(settings, group="g")
    partition, *_ = opened(source)
    [reader] = source._readers.values()
    yield reader, partition, topic
    source.close()


def test_a_place_that_a_new_leader_lacked_for_a_moment_is_read_on(
    reading: tuple[Reader, Partition, str],
) -> None:
    reader, partition, topic = reading
    batches = read_until([partition], lambda got: records_of_batches(got) == 5)
    reader._gone(reader._inboxes[topic, 0], 2)
    reader._inboxes[topic, 0].at = 2
    batches = read_until([partition], lambda got: records_of_batches(got) == 3)
    assert offsets_in(batches, topic) == [2, 3, 4]


def test_what_comes_of_a_partition_that_was_left_is_dropped(
    reading: tuple[Reader, Partition, str],
) -> None:
    reader, _, topic = reading
    assert not reader._dealt([Fetched(b"of nobody's")])
    assert not reader._dealt([Failing(KafkaError._PARTITION_EOF, "t")])
    reader.leave(reader._inboxes[topic, 0])
    assert (topic, 0) not in reader._inboxes


def test_errors_that_pass_are_looked_into_and_others_raised(
    reading: tuple[Reader, Partition, str],
) -> None:
    reader, _, topic = reading
    for passing in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
        reader._dealt([Failing(passing, topic)])
    reader._dealt([Failing(KafkaError.GROUP_AUTHORIZATION_FAILED, None)])
    assert "roup" in reader._watch._suspicion
    with pytest.raises(BrokerError, match=f"refused: .*, topic '{topic}'"):
        reader._dealt([Failing(KafkaError.UNKNOWN_TOPIC_ID, topic)])


class Broken:
    """A consumer that can do nothing any more."""

    def __getattr__(self, name: str) -> Any:
        def refuse(*given: Any, **named: Any) -> Any:
            raise KafkaException(KafkaError(KafkaError._FATAL, "the end"))

        return refuse


def test_a_consumer_that_is_broken_is_told(reading: tuple[Reader, Partition, str]) -> None:
    reader, _, _ = reading
    consumer, reader._consumer = reader._consumer, cast(Consumer, Broken())
    reader._quiet_until_s = 0.0
    with pytest.raises(BrokerError, match="the end"):
        reader.poll()
    reader._consumer = consumer


def test_a_report_that_can_not_be_made_stops_nobody() -> None:
    incidents, _ = told_incidents()
    reports = Reports("g", lambda: {"t": {0: 5}}, incidents=incidents)
    assert reports.lag(cast(Consumer, Broken()), Inbox("t", 0, 3)) == 0
    reports.commit(cast(Consumer, Broken()), [("t", 0)])
    assert incidents.tally.commit_failures == 1
    assert not reports.awaits_answer


# ---- topics and offsets ----------------------------------------------------------------------


class Leaderless:
    """An admin client, partitions of which have no leader for a while."""

    def __init__(self, times: int) -> None:
        self.times = times

    def list_offsets(
        self, asked: dict[TopicPartition, object], **_: Any
    ) -> dict[TopicPartition, Future[Any]]:
        self.times -= 1
        answers = {place: Future[Any]() for place in asked}
        for place, answer in answers.items():
            if self.times >= 0 and place.partition == 1:
                error = KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION)
                answer.set_exception(KafkaException(error))
            else:
                answer.set_result(TopicPartition(place.topic, place.partition, 7))
        return answers


def test_a_partition_that_is_about_to_get_a_leader_is_asked_again() -> None:
    places = [("t", 0), ("t", 1)]
    found = bounds_of(cast(AdminClient, Leaderless(2)), ANYWHERE, places)
    assert found == dict.fromkeys(places, Bounds(7, 7))


def test_a_partition_that_gets_no_leader_is_told() -> None:
    with pytest.raises(BrokerError, match=r"NOT_LEADER_FOR_PARTITION.*topic 't'"):
        bounds_of(cast(AdminClient, Leaderless(10_000)), ANYWHERE, [("t", 1)])


def test_brokers_that_say_nothing_at_all_are_away() -> None:
    topics = Topics(ANYWHERE)
    error = topics._error(None)
    assert isinstance(error, BrokerUnavailable)
    assert "does not answer: timed out" in str(error)
    refused = topics._error(KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED))
    assert not isinstance(refused, BrokerUnavailable)


class Answering:
    """Topics whose answers are written down."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self.leaderless: list[str] = []
        self.answers: list[dict[str, int] | BrokerError | None] = []
        self.asked = 0

    def ask(self, _topics: list[str]) -> None:
        self.asked += 1

    def answer(self) -> dict[str, int] | None:
        answer = self.answers.pop(0)
        if isinstance(answer, BrokerError):
            raise answer
        return answer

    def refusal(self, topic: str) -> str:
        return f"{topic} is {self.refused[topic]}"


class Watching:
    """A watch with a clock of its own: it looks ten times a second."""

    def __init__(self) -> None:
        self.now_s, self.topics = 100.0, Answering()
        self.incidents, self.told = told_incidents()
        self.watch = BrokerWatch(
            cast(Topics, self.topics),
            {"t": 2},
            [],
            refresh_s=30.0,
            incidents=self.incidents,
            clock=lambda: self.now_s,
        )

    def look(self, *answers: dict[str, int] | BrokerError | None) -> None:
        """Ask, and get these answers."""
        self.topics.answers = [*answers]
        while self.topics.answers:
            self.now_s += 0.11
            self.watch()


@pytest.fixture
def watching() -> Watching:
    return Watching()


def test_without_suspicion_it_is_asked_only_now_and_then(watching: Watching) -> None:
    for _ in range(900):
        watching.topics.answers = [{"t": 2}]
        watching.now_s += 0.11
        watching.watch()
    assert watching.topics.asked == 3


def test_what_seems_broken_and_answers_is_not_away(watching: Watching) -> None:
    watching.watch.suspect(KafkaError(KafkaError._TRANSPORT))
    watching.look(None, None, {"t": 2})
    assert not watching.incidents.is_away("broker")


def test_silence_of_a_second_is_away_until_there_is_an_answer(watching: Watching) -> None:
    watching.watch.suspect(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    watching.look(*[None] * 12)
    assert watching.incidents.is_away("broker")
    watching.look({"t": 2})
    assert not watching.incidents.is_away("broker")


def test_a_question_that_runs_out_is_asked_again(watching: Watching) -> None:
    watching.watch.suspect(KafkaError(KafkaError._TRANSPORT))
    watching.look(BrokerUnavailable("down"), BrokerUnavailable("down"))
    assert watching.incidents.is_away("broker")
    watching.look({"t": 2})
    assert not watching.incidents.is_away("broker")
    assert watching.topics.asked == 3


def test_partitions_without_a_leader_are_waited_for(watching: Watching) -> None:
    watching.topics.leaderless = ["t/1"]
    watching.watch.suspect(KafkaError(KafkaError._TRANSPORT))
    watching.look({"t": 2})
    assert watching.incidents.is_away("broker")
    watching.topics.leaderless = []
    watching.look({"t": 2})
    assert not watching.incidents.is_away("broker")


def test_a_topic_that_is_missing_for_a_moment_is_none_that_is_gone(watching: Watching) -> None:
    watching.watch.suspect(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    watching.topics.refused = {"t": "gone"}
    watching.look({}, {}, {})
    watching.topics.refused = {}
    watching.look({"t": 2})
    watching.topics.refused = {"t": "gone"}
    watching.watch.suspect(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    with pytest.raises(BrokerError, match="t is gone"):
        watching.look(*[{}] * 40)


def test_of_several_workers_one_looks_and_nobody_waits(watching: Watching) -> None:
    watching.watch.suspect(KafkaError(KafkaError._TRANSPORT))
    with watching.watch._lock:
        began_s = time.monotonic()
        watching.now_s += 1
        watching.watch()
        assert time.monotonic() - began_s < 30
    assert watching.topics.asked == 0
