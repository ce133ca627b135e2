"""The settings of Kafka: where the brokers are, which topics hold what, how to get in."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from schemas.kafka import checked_property, checked_start
from schemas.settings_section import Section

TOPICS = tuple(
    f"{kind}_topic"
    for kind in ("interactions", "impressions", "items", "forget", "dead_letters", "incidents")
)
Topic = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


def _brokers(text: str) -> str:
    for address in filter(None, text.split(",")):
        host, colon, port = address.strip().rpartition(":")
        if not (host and colon and port.isdigit() and 0 < int(port) < 65_536):
            raise ValueError("brokers are host:port, several of them with commas between")
    return text


def _properties(values: dict[str, SecretStr]) -> dict[str, SecretStr]:
    return {checked_property(name): value for name, value in values.items()}


def _texts(values: object) -> object:
    """Return values as librdkafka takes them, which is text: TOML has numbers and truth values."""
    if not isinstance(values, dict):
        return values
    return {
        name: SecretStr(str(value).lower() if isinstance(value, bool) else str(value))
        if isinstance(value, bool | int | float | str)
        else value
        for name, value in values.items()
    }


class KafkaSettings(Section):
    """Where events come from, if not from the embedded event log."""

    brokers: Annotated[str, AfterValidator(_brokers)] = Field(
        default="",
        description="Brokers to begin with, host:port with commas between. Empty: events come from "
        "the embedded event log, and no Kafka is needed.",
    )
    interactions_topic: Topic = Field(
        default="interactions",
        description="Topic of what users did, keyed by user, so that each user's events "
        "keep their order.",
    )
    impressions_topic: Topic = Field(
        default="impressions",
        description="Topic of what users were shown, keyed by user: the scorer writes one "
        "for each slate.",
    )
    items_topic: Topic = Field(
        default="items",
        description="Topic of the catalogue, keyed by item; compacted, a record without a "
        "value deletes.",
    )
    forget_topic: Topic = Field(
        default="forget",
        description="Topic of wishes to be forgotten, keyed by user; kept as long as events are.",
    )
    dead_letters_topic: Topic = Field(
        default="dead-letters",
        description="Topic of events that were refused: their bytes; in headers why, and whence.",
    )
    incidents_topic: Topic = Field(
        default="incidents",
        description="Topic of what went wrong in the flow, and what it did about it, as JSON.",
    )
    group: str = Field(
        default="",
        max_length=249,
        description="Consumer group that offsets are committed to, for lag tools alone: they are "
        "never read back. Empty: rillrec- and the model's name.",
    )
    start: Annotated[str, AfterValidator(checked_start)] = Field(
        default="resume",
        description="Where a new model begins: resume or earliest (all that is retained), latest, "
        "or a time (ISO, or milliseconds since 1970). One that stands somewhere goes on there, "
        "unless rillrec flow --from says otherwise for once.",
    )
    properties: Annotated[
        dict[str, SecretStr], BeforeValidator(_texts), AfterValidator(_properties)
    ] = Field(
        default={},
        description="Any property of librdkafka, by its name: 'security.protocol' = 'SASL_SSL', "
        "'sasl.password' = '…'. In the environment '_' stands for '.'. All are kept secret.",
    )
    metadata_timeout_s: float = Field(
        default=10.0,
        ge=0.1,
        le=300,
        strict=False,
        description="Seconds after which brokers that do not answer at the start count as away.",
    )
    delivery_timeout_s: float = Field(
        default=30.0,
        ge=1,
        le=3_600,
        strict=False,
        description="Seconds within which an event that is sent must be acknowledged, or fails.",
    )
    refresh_partitions_s: float = Field(
        default=30.0,
        ge=1,
        le=86_400,
        strict=False,
        description="Seconds between looks for new partitions.",
    )

    @field_validator(*TOPICS)
    @classmethod
    def _is_another(cls, topic: str, info: ValidationInfo) -> str:
        """Refuse two names of one topic: it is the topic that tells what an event is."""
        for other in TOPICS:
            if info.data.get(other) == topic:
                raise ValueError(f"{other} is that too: each topic holds one type of events")
        return topic

    def group_of(self, model: str) -> str:
        """Return the consumer group that a model's flow is seen as."""
        return self.group or f"rillrec-{model}"
