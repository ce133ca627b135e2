"""TCP ports of this machine: which are free, and which to take."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Callable
from contextlib import closing

from schemas.errors import SettingsError

_QUIET = (20_000, 32_000)  # Linux hands out those from 32768 on


def choose_port(
    name: str, wanted: int, *, host: str, asked_for: bool, tell: Callable[[str], None]
) -> int:
    """Return the port to listen on: the wanted one, or a free one where that may be another.

    Parameters
    ----------
    name
        The setting, for errors and notes.
    wanted
        0 takes any.
    asked_for
        Whether the port was configured, rather than a default.

    Raises
    ------
    SettingsError
        The port was asked for and is taken, or the host is none of this machine.
    """
    if wanted and is_free(host, wanted):
        return wanted
    if wanted and asked_for:
        raise SettingsError(
            f"{name} is {wanted}, and something listens there already: stop it, or choose another "
            "port"
        )
    with closing(_bound(host, 0)) as probe:
        free = int(probe.getsockname()[1])
    if wanted:
        tell(f"note: port {wanted} is taken, {name} is {free} instead")
    return free


def quiet_ports(count: int, *, host: str = "127.0.0.1") -> list[int]:
    """Return so many free ports that no outgoing connection is given by chance.

    For servers that are killed and started again: a client that tries to reach one of the ports
    that Linux hands out may be handed that very port, and then holds it.
    """
    found = [port for port in random.sample(range(*_QUIET), 50 * count) if is_free(host, port)]
    return found[:count]


def is_free(host: str, port: int) -> bool:
    """Return whether nothing listens on a port."""
    try:
        _bound(host, port).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        probe = socket.socket(family, kind)
        try:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
        except OSError:
            probe.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise
        raise SettingsError(
            f"serve.host is {host!r}, where this machine can't listen on port {port}: "
            f"{error.strerror}"
        ) from error
    return probe
