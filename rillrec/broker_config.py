"""How a broker of one node is set up: its listeners, and who may do what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

HOST = "127.0.0.1"


class Listeners(Struct, frozen=True):
    """Where a broker listens. ``sasl`` and ``tls`` are 0 where there is no such listener.

    Whoever comes by ``plain`` or ``tls`` may do everything. A user of ``sasl`` may do what ACLs
    allow; a resource without an ACL is open to all.
    """

    plain: int
    controller: int
    sasl: int = 0
    tls: int = 0

    def protocols(self) -> dict[str, tuple[int, str]]:
        """Return the name of each listener, its port, and the protocol spoken there."""
        named = {
            "PLAINTEXT": (self.plain, "PLAINTEXT"),
            "CONTROLLER": (self.controller, "PLAINTEXT"),
            "SASL": (self.sasl, "SASL_PLAINTEXT"),
            "TLS": (self.tls, "SSL"),
        }
        return {name: (port, spoken) for name, (port, spoken) in named.items() if port}


def server_properties(
    directory: Path,
    listeners: Listeners,
    *,
    users: Mapping[str, str] | None = None,
    keystore: tuple[Path, str] | None = None,
    more: Mapping[str, str] | None = None,
) -> str:
    """Return the text of ``server.properties``: one node of KRaft, broker and controller.

    Parameters
    ----------
    directory
        Where the log is kept.
    users
        Names to passwords, of the listener ``sasl``.
    keystore
        Of the listener ``tls``, PKCS12, and its password.
    more
        Lines by key, over those that are set here.
    """
    spoken = listeners.protocols()
    clients = {name: port for name, (port, _) in spoken.items() if name != "CONTROLLER"}
    lines = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{listeners.controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": _addresses({name: port for name, (port, _) in spoken.items()}),
        "advertised.listeners": _addresses(clients),
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": ",".join(f"{n}:{p}" for n, (_, p) in spoken.items()),
        "log.dirs": str(directory / "log"),
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",  # 50 of them take a second to be made
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # One that was killed is let in again only when it is missed: by default after 9 s.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "log.cleaner.dedupe.buffer.size": str(8 << 20),  # 128 MB, which it is else, are for many
        # A misspelt topic is an error that is told, rather than a topic of one partition.
        "auto.create.topics.enable": "false",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "true",
    }
    if users:
        lines |= _sasl(users)
    if keystore:
        lines |= _tls(*keystore)
    return "".join(f"{name}={value}\n" for name, value in (lines | dict(more or {})).items())


def _addresses(ports: dict[str, int]) -> str:
    return ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())


def _sasl(users: Mapping[str, str]) -> dict[str, str]:
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    known = " ".join(f'user_{name}="{password}"' for name, password in users.items())
    return {
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": f"{module} required {known};",
    }


def _tls(keystore: Path, password: str) -> dict[str, str]:
    return {
        "listener.name.tls.ssl.keystore.type": "PKCS12",
        "listener.name.tls.ssl.keystore.location": str(keystore),
        "listener.name.tls.ssl.keystore.password": password,
    }
