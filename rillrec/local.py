"""All of Rillrec on this machine: Redis, the flow and the scorer, started and ended in order."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rillrec.health import scorer_serves
from rillrec.stores import redis_of, store_at
from rillrec.supervisor import Child, Supervisor, Tell
from schemas.errors import ProcessFailed, StoreUnavailable
from schemas.settings_loading import CONFIG_VARIABLE

if TYPE_CHECKING:
    from schemas.settings import Settings
    from serving.store import Store

POLL_S = 0.05


class Local:
    """Redis, a flow and a scorer, as children of this process.

    Parameters
    ----------
    settings
        Of this process; the children are given the same.
    config
        The file that the settings came from, if they came from one.
    environ
        The environment that they came from.
    tell
        Is handed what happens, in words.
    tell_line
        Is handed what the children write, line by line; ``None`` shows it only if one crashes.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        config: Path | None = None,
        environ: Mapping[str, str],
        tell: Tell,
        tell_line: Tell | None = None,
    ) -> None:
        self.settings = settings
        self._config, self._base_environ = config, environ
        self._tell, self._tell_line = tell, tell_line
        self._supervisor = Supervisor(tell)
        self._stack = ExitStack()
        self.redis_url = ""
        self.port = self._port("serve.port", settings.serve.port, "port")
        self._metrics_port = self._port(
            "serve.metrics_port", settings.serve.metrics_port, "metrics_port"
        )

    @property
    def address(self) -> str:
        """Where the scorer listens, as a client on this machine reaches it."""
        host = self.settings.serve.host
        return f"{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{self.port}"

    def __enter__(self) -> Local:
        """Start everything. What was started ends again if something does not start."""
        try:
            self.redis_url = self._stack.enter_context(redis_of(self.settings))
            self._stack.callback(self._supervisor.stop)
            for name, command in (("flow", "flow"), ("scorer", "serve")):
                argv = [sys.executable, "-m", "rillrec", command]
                tell = self._lines_of(name)
                self._supervisor.start(Child(name, argv, environ=self._environ(), tell_line=tell))
        except BaseException:
            self._stack.close()
            raise
        return self

    def wait_until_ready(self, *, timeout_s: float = 60.0) -> None:
        """Return when the flow owns the model and the scorer reports itself healthy.

        Raises
        ------
        ProcessFailed
            One of them can't start, or they are not ready in time.
        """
        deadline = time.monotonic() + timeout_s
        store = store_at(self.redis_url, self.settings)
        try:
            while True:
                self.watch()
                flows, serves = _owned(store), scorer_serves(self.address)
                if flows and serves:
                    return
                if time.monotonic() > deadline:
                    waiting = [n for n, up in (("flow", flows), ("scorer", serves)) if not up]
                    raise ProcessFailed(
                        f"the {' and the '.join(waiting)} did not get ready within {timeout_s:g} s"
                        "; `rillrec doctor` tells more"
                    )
                time.sleep(POLL_S)
        finally:
            store.close()

    def watch(self) -> None:
        """Restart what has crashed: call it a few times a second."""
        self._supervisor.watch()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _lines_of(self, name: str) -> Tell | None:
        tell = self._tell_line
        return (lambda line: tell(f"{name:>6} | {line}")) if tell else None

    def _environ(self) -> dict[str, str]:
        settings = self.settings
        environ = dict(self._base_environ)
        if self._config is not None:
            environ[CONFIG_VARIABLE] = str(self._config.absolute())
        return environ | {
            "RILLREC_STORE__REDIS_URL": self.redis_url,
            "RILLREC_STORE__DATA_DIR": str(settings.store.data_dir),
            "RILLREC_MODEL__NAME": settings.model.name,
            "RILLREC_SERVE__PORT": str(self.port),
            "RILLREC_SERVE__METRICS_PORT": str(self._metrics_port),
            "PYTHONUNBUFFERED": "1",
        }

    def _port(self, name: str, port: int, key: str) -> int:
        """Return the configured port, or a free one where the default is taken."""
        host = self.settings.serve.host
        if key == "metrics_port" and port == 0:
            return 0
        if port and _is_free(host, port):
            return port
        if port and key in self.settings.serve.model_fields_set:
            raise ProcessFailed(
                f"{name} is {port}, and something listens there already: stop it, or choose "
                "another port (0 takes a free one)"
            )
        free = _free_port(host)
        if port:
            self._tell(f"note: port {port} is taken, {name} is {free} instead")
        return free


def _owned(store: Store) -> bool:
    try:
        return store.lease_owner() is not None
    except StoreUnavailable:
        return False


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
