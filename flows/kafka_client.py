"""Clients of Kafka, made from the settings; and their errors as ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from schemas.errors import BrokerError, BrokerUnavailable, SettingsError
from schemas.kafka import client_properties, explained, is_away, property_refused
from schemas.settings_kafka import KafkaSettings

Client = TypeVar("Client")
OnError = Callable[[KafkaError], None]
_QUIET = {"log_level": 2}
_log = logging.getLogger(__name__)


def client_of(
    kind: Callable[..., Client],
    kafka: KafkaSettings,
    *,
    on_error: OnError,
    own: Mapping[str, Any] | None = None,
    advised: Mapping[str, Any] | None = None,
) -> Client:
    """Return a client: an ``AdminClient``, a ``Consumer`` or a ``Producer``.

    Parameters
    ----------
    on_error
        Told at the client's next call what librdkafka would write to stderr otherwise.
    own, advised
        Properties that the settings can't change, and those that they can.

    Raises
    ------
    SettingsError
        librdkafka knows no such property, or not this value of it.
    """
    properties = {**_QUIET, **(advised or {}), **client_properties(kafka, own)}
    try:
        return kind({**properties, "error_cb": on_error}, logger=_log)
    except (KafkaException, TypeError, ValueError) as error:
        raise SettingsError(property_refused(kafka, _words(error))) from error


def _words(error: Exception) -> str:
    cause = error.args[0] if error.args else error
    return str(cause.str() if isinstance(cause, KafkaError) else cause).strip()


def broker_error(error: KafkaError, kafka: KafkaSettings, *, topic: str = "") -> BrokerError:
    """Return an error of librdkafka as ours: what happened, to what, and what to do."""
    kind = BrokerUnavailable if is_away(error.name()) else BrokerError
    return kind(explained(error.name(), error.str(), brokers=kafka.brokers, topic=topic))
