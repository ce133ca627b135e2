"""Every error that Rillrec raises on purpose.

RillrecError
├── EventRefused        an event breaks the contract: it goes to the dead letters, nothing stops
├── RequestRefused      a request to the scorer breaks the contract
├── SettingsError       a setting is unknown, mistyped or out of range
├── SourceError         a file or log can't be read, or its columns can't be told apart
├── StoreError          the store answered, but not as the contract says
│   ├── StoreUnavailable    the store did not answer; the call may be repeated
│   └── StoreRolledBack     the store lost writes, or somebody else writes: begin from what it holds
├── BrokerError         the Kafka broker refused
│   └── BrokerUnavailable   it did not answer; the call may be repeated
├── QueueFull           more events wait for the event log than may; the call may be repeated
├── FlowOutdated        the sources or the model have changed: the flow must be built anew
├── PeerLost            another process of the same flow has ended: all must be started again
├── ModelError          a model can't be built from what is stored
│   ├── ModelMissing        no model of that name has been published
│   └── ModelLogBroken      a base or log entry is missing, or of an unknown kind
├── NotYetAbsorbed      a request asked to wait for an event that is still on its way
├── CallFailed          the scorer answered a client's call with an error, or not at all
├── ProcessFailed       a child process ended in a way that starting it again can't mend
└── ExtraMissing        a command needs packages that the plain installation leaves out
"""

from __future__ import annotations


class RillrecError(Exception):
    """The root of all errors that name a cause and a remedy."""


class EventRefused(RillrecError):
    """An event that breaks the contract.

    Parameters
    ----------
    reason
        A short, bounded code (``malformed``, ``field``, ``time``, ``size``, ``late``, ``kind``),
        used as the label of a metric.
    message
        What is wrong, with the path of the field and the value's bounds, for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class RequestRefused(RillrecError):
    """A request to the scorer breaks the contract; the message names field, value and remedy."""


class SettingsError(RillrecError):
    """A setting is unknown, mistyped or out of range."""


class SourceError(RillrecError):
    """A source of events can't be read."""


class StoreError(RillrecError):
    """The store answered something that the contract does not allow."""


class StoreUnavailable(StoreError):
    """The store did not answer."""


class StoreRolledBack(StoreError):
    """The store does not hold what it had acknowledged: it lost writes, or another flow writes."""


class BrokerError(RillrecError):
    """The Kafka broker refused something."""


class BrokerUnavailable(BrokerError):
    """The Kafka broker did not answer."""


class QueueFull(RillrecError):
    """More events wait to be stored than may wait; later there is room again."""


class FlowOutdated(RillrecError):
    """What the flow was built for has changed: partitions of a topic, or the model's name."""


class PeerLost(RillrecError):
    """Another process of the same flow has ended, and with it the flow."""


class ModelError(RillrecError):
    """A model can't be built from what is stored."""


class ModelMissing(ModelError):
    """No model of that name has been published."""


class ModelLogBroken(ModelError):
    """The log has a hole, or an entry of an unknown kind."""


class NotYetAbsorbed(RillrecError):
    """A user's state has not absorbed an event within the deadline.

    Parameters
    ----------
    wanted, reached
        Offsets in the same topic and partition; ``reached`` is the first one not yet absorbed.
    """

    def __init__(self, topic: str, partition: int, wanted: int, reached: int) -> None:
        super().__init__(
            f"the event at {topic}/{partition}@{wanted} is not absorbed yet: "
            f"everything below {reached} is; wait longer, or ask without 'after'"
        )
        self.topic, self.partition, self.wanted, self.reached = topic, partition, wanted, reached


class CallFailed(RillrecError):
    """The scorer answered a client's call with an error, or not at all.

    Parameters
    ----------
    code
        The name of the gRPC status, such as ``UNAVAILABLE``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ProcessFailed(RillrecError):
    """A child process ended in a way that starting it again can't mend."""


class ExtraMissing(RillrecError):
    """A command needs packages that the plain installation leaves out."""
