"""Kafka without a client: topics and what they hold, properties, and errors in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.decoding import EARLIEST_MS, MAX_EVENT_BYTES

if TYPE_CHECKING:
    from schemas.settings_kafka import KafkaSettings

MAX_MESSAGE_BYTES = 2 * MAX_EVENT_BYTES
"""What topics and producers let through: the longest event, its key and its headers."""

QUEUED_KBYTES = 65_536
"""How much a producer keeps of what is not acknowledged yet; at most 100,000 messages."""

STARTS = ("resume", "earliest", "latest")
OWNED = {
    "bootstrap.servers": "set kafka.brokers",
    "metadata.broker.list": "set kafka.brokers",
    "group.id": "set kafka.group",
    "enable.auto.commit": "offsets are kept with the state, and committed for lag tools alone",
    "enable.auto.offset.store": "offsets are kept with the state",
    "auto.offset.reset": "set kafka.start (--from)",
    "enable.idempotence": "it is always on",
    "acks": "it is always all",
    "request.required.acks": "it is always all",
    "max.in.flight": "it is always 1",
    "max.in.flight.requests.per.connection": "it is always 1",
    "delivery.timeout.ms": "set kafka.delivery_timeout_s",
    "message.timeout.ms": "set kafka.delivery_timeout_s",
}
"""Properties that decide what is guaranteed, and what to do in their place."""


_UNDERSCORED = frozenset({"log_level"})  # the only one with a value that text can say


def checked_property(name: str) -> str:
    """Return a property's name as librdkafka spells it; ``_`` may stand for ``.``.

    Raises
    ------
    ValueError
        The property is one that Rillrec sets itself.

    Examples
    --------
    >>> checked_property("SASL_USERNAME"), checked_property("LOG_LEVEL")
    ('sasl.username', 'log_level')
    """
    spelt = name.lower()
    if spelt not in _UNDERSCORED:
        spelt = spelt.replace("_", ".")
    if spelt in OWNED:
        raise ValueError(f"{spelt} is set by Rillrec: {OWNED[spelt]}")
    return spelt


def checked_start(start: str) -> str:
    """Return where to start, if it can be told. Raises ``ValueError`` otherwise."""
    if start not in STARTS:
        start_ms(start)
    return start


def start_ms(start: str) -> int:
    """Return the moment that a start names, in milliseconds since 1970.

    Raises
    ------
    ValueError
        It is neither a time in ISO format nor a number of milliseconds after 1990.

    Examples
    --------
    >>> start_ms("2026-01-01T00:00:00+00:00"), start_ms("1767225600000")
    (1767225600000, 1767225600000)
    """
    try:
        if start.isdigit():
            time_ms = int(start)
        else:
            moment = datetime.fromisoformat(start)
            time_ms = int(
                (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e3
            )
    except (ValueError, OverflowError):
        time_ms = 0
    if not EARLIEST_MS <= time_ms < 2**53:
        raise ValueError(
            f"use {', '.join(STARTS)}, a time such as 2026-01-31T12:00, or milliseconds since 1970"
        )
    return time_ms


def event_types(kafka: KafkaSettings) -> dict[str, str]:
    """Return topic to the type of the events in it, for the topics that a flow reads."""
    return {
        kafka.interactions_topic: "interaction",
        kafka.impressions_topic: "impression",
        kafka.items_topic: "item",
        kafka.forget_topic: "forget",
    }


def topic_of(kafka: KafkaSettings, event_type: str) -> str:
    """Return the topic of a type of events; what is of no known type goes to the interactions."""
    topics = {kind: topic for topic, kind in event_types(kafka).items()}
    return topics.get(event_type, kafka.interactions_topic)


def client_properties(
    kafka: KafkaSettings, extra: Mapping[str, object] | None = None
) -> dict[str, object]:
    """Return librdkafka's properties. The one place where secrets are laid open."""
    said = {name: value.get_secret_value() for name, value in kafka.properties.items()}
    return {"bootstrap.servers": kafka.brokers, **said, **(extra or {})}


def producer_properties(
    kafka: KafkaSettings, extra: Mapping[str, object] | None = None
) -> dict[str, object]:
    """Return librdkafka's properties of a producer that loses and repeats nothing.

    A key goes to the partition that Java's producers choose for it, so that all producers of a
    topic agree, unless ``kafka.properties`` name another partitioner.

    One request at a time is on its way to a broker. With more of them librdkafka loses messages and
    reports them delivered, where a producer's first to a partition is refused because a leader is
    only being chosen, and its second is taken: it holds that the first must have been stored then,
    but a broker that knows nothing of a producer takes any message for its first.

    References
    ----------
    J. Yoon, "data loss when a new producer produce messages while the partition preferred leader is
    being re-elected", 2023, https://github.com/confluentinc/confluent-kafka-go/issues/921
    """
    chosen = {"partitioner": "murmur2_random", "linger.ms": "5"}
    chosen["message.max.bytes"] = str(MAX_MESSAGE_BYTES)
    chosen["queue.buffering.max.kbytes"] = str(QUEUED_KBYTES)
    owned = {
        "acks": "all",
        "enable.idempotence": True,
        "max.in.flight": 1,
        "delivery.timeout.ms": round(kafka.delivery_timeout_s * 1e3),
    }
    return {**chosen, **client_properties(kafka, owned), **(extra or {})}


def property_refused(kafka: KafkaSettings, detail: str) -> str:
    """Return what librdkafka has against the properties, in its words but for the secrets."""
    for secret in sorted(
        (v.get_secret_value() for v in kafka.properties.values()), key=len, reverse=True
    ):
        detail = detail.replace(f'"{secret}"', "(a secret)")
        if len(secret) > 3:  # shorter ones are parts of words
            detail = detail.replace(secret, "(a secret)")
    return f"kafka.properties: {detail}; librdkafka's CONFIGURATION.md lists what there is"


_AWAY = (
    "_ALL_BROKERS_DOWN",
    "_TRANSPORT",
    "_RESOLVE",
    "_TIMED_OUT",
    "_MSG_TIMED_OUT",
    "REQUEST_TIMED_OUT",
)
_PASSING = (
    "NOT_LEADER_FOR_PARTITION",
    "LEADER_NOT_AVAILABLE",
    "UNKNOWN_LEADER_EPOCH",
    "FENCED_LEADER_EPOCH",
    "OFFSET_NOT_AVAILABLE",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "NOT_COORDINATOR",
)
_UNKNOWN = ("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION")
_REFUSED = ("_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED", "ILLEGAL_SASL_STATE")
_TLS = ("_SSL",)
_FORBIDDEN = (
    "TOPIC_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
)
_DELETED = ("OFFSET_OUT_OF_RANGE", "_AUTO_OFFSET_RESET")
_FACTOR = ("INVALID_REPLICATION_FACTOR",)
_TOO_LARGE = ("MSG_SIZE_TOO_LARGE", "INVALID_MSG_SIZE", "RECORD_LIST_TOO_LARGE")


def is_away(name: str) -> bool:
    """Return whether an error of librdkafka, by name, means that brokers do not answer."""
    return name in _AWAY


def is_passing(name: str) -> bool:
    """Return whether an error of librdkafka, by name, is over soon: leaders are being chosen."""
    return name in _PASSING


def is_refused(name: str) -> bool:
    """Return whether an error of librdkafka, by name, means that we are refused, for good."""
    return name in (*_REFUSED, *_TLS, *_FORBIDDEN)


def is_too_large(name: str) -> bool:
    """Return whether an error of librdkafka, by name, means that a message is too large."""
    return name in _TOO_LARGE


def explained(name: str, detail: str, *, brokers: str, topic: str = "") -> str:
    """Return an error of librdkafka in words: what happened, to what, and what to do.

    Parameters
    ----------
    name
        As librdkafka has it, such as ``_ALL_BROKERS_DOWN``.
    detail
        Its own words.
    """
    where, detail = f"Kafka at {brokers}", detail.rstrip(".")
    if name in _AWAY:
        return (
            f"{where} does not answer: {detail}; is it running, and are kafka.brokers and "
            "security.protocol right?"
        )
    if name in _UNKNOWN:
        return (
            f"{where} has no topic {topic!r}: create it (`rillrec topics create`), or name another"
        )
    if name in _REFUSED:
        return (
            f"{where} refuses the credentials: {detail}; correct sasl.username, sasl.password, "
            "sasl.mechanism and security.protocol in kafka.properties"
        )
    if name in _TLS:
        return (
            f"{where} can't be trusted, or does not trust us: {detail}; correct ssl.ca.location, "
            "ssl.certificate.location and ssl.key.location in kafka.properties"
        )
    if name in _FORBIDDEN:
        return (
            f"{where} denies access to {topic or 'the group'!r}: {detail}; grant this user the ACL"
        )
    if name in _DELETED:
        return (
            f"{where} has deleted what {topic!r} held there: {detail}; go on with --from earliest, "
            "or --from TIME"
        )
    if name in _TOO_LARGE:
        return (
            f"{where} refuses a message as too large: {detail}; raise the topic's max.message.bytes"
        )
    if name in _FACTOR:
        return f"{where} has too few brokers: {detail}; say a lower --replication"
    return f"{where} refused: {detail} ({name})" + (f", topic {topic!r}" if topic else "")
