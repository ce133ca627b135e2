"""The scorer's metrics on a port of their own."""

from __future__ import annotations

import asyncio
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server

from schemas.errors import SettingsError


class Exposition:
    """Serves a registry to Prometheus.

    Parameters
    ----------
    port
        0 for none.
    """

    def __init__(self, registry: CollectorRegistry, *, host: str, port: int) -> None:
        self._registry, self._host, self._port = registry, host, port
        self._server: tuple[WSGIServer, Thread] | None = None

    def start(self) -> None:
        """Listen.

        Raises
        ------
        SettingsError
            The port is taken.
        """
        if not self._port:
            return
        try:
            self._server = start_http_server(self._port, self._host, self._registry)
        except OSError as error:
            raise SettingsError(
                f"metrics can't be served on {self._host}:{self._port}: {error}; set "
                "serve.metrics_port to one that is free, or to 0 for none"
            ) from error

    async def stop(self) -> None:
        """Let go of the port."""
        if self._server is not None:
            server, thread = self._server
            await asyncio.to_thread(server.shutdown)
            server.server_close()
            thread.join()
