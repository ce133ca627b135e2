"""TCP ports of this machine: which are free, and which to take."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import ExitStack, closing

from schemas.errors import SettingsError


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
    if wanted and _is_free(host, wanted):
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


def free_ports(count: int, *, host: str = "127.0.0.1") -> list[int]:
    """Return so many different ports that nothing listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(closing(_bound(host, 0))) for _ in range(count)]
        return [int(probe.getsockname()[1]) for probe in probes]


def _is_free(host: str, port: int) -> bool:
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
