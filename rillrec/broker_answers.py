"""Waiting for a broker that has just been started."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from schemas.errors import ProcessFailed

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

POLL_S = 0.05


def wait_for_answer(address: str, wait_s: float, check: Callable[[], None]) -> None:
    """Return when a broker answers, and leads all partitions that it has.

    Parameters
    ----------
    address
        Of a listener that is open to all.
    check
        Called all the while; it may raise, to give up.

    Raises
    ------
    ProcessFailed
        It does not within ``wait_s``.
    """
    deadline = time.monotonic() + wait_s
    while not _listens(address):
        _pause(deadline, address, wait_s, check)
    from confluent_kafka.admin import AdminClient

    client = AdminClient({"bootstrap.servers": address, "log_level": 0})
    while not _leads(client):
        _pause(deadline, address, wait_s, check)


def _pause(deadline: float, address: str, wait_s: float, check: Callable[[], None]) -> None:
    check()
    if time.monotonic() > deadline:
        raise ProcessFailed(f"the broker at {address} did not answer within {wait_s:g} s")
    time.sleep(POLL_S)


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except OSError:
        return False
    return True


def _leads(client: AdminClient) -> bool:
    from confluent_kafka import KafkaException

    try:
        cluster = client.list_topics(timeout=1.0)
    except KafkaException:
        return False
    partitions = [part for topic in cluster.topics.values() for part in topic.partitions.values()]
    return bool(cluster.brokers) and all(part.leader >= 0 for part in partitions)
