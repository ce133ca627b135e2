"""The flow's metrics over HTTP, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from flows.exposition import TallyCollector
from flows.tally import Tally
from schemas.errors import SettingsError


@contextmanager
def flow_metrics_served(tally: Tally, *, host: str, port: int) -> Iterator[None]:
    """Serve a tally's metrics while the block runs; port 0 serves none.

    Raises
    ------
    SettingsError
        The port is taken.
    """
    if port == 0:
        yield
        return
    registry = CollectorRegistry()
    registry.register(TallyCollector(tally))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise SettingsError(
            f"metrics can't be served on {host}:{port}: {error.strerror}; set flow.metrics_port "
            "to one that is free, or to 0 for none"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
