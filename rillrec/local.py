"""All of Rillrec on this machine: Redis, the flow and the scorer, started and ended in order."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from types import TracebackType
from typing import TYPE_CHECKING

from rillrec.health import scorer_serves
from rillrec.ports import choose_port
from rillrec.stores import RedisAt, alias_at, store_at
from rillrec.supervisor import Child, Supervisor, Tell, child_environ
from schemas.errors import ProcessFailed, StoreUnavailable

if TYPE_CHECKING:
    from schemas.settings import FlowSettings, ServeSettings, Settings
    from serving.store.alias import Alias

POLL_S = 0.05
SLOW_S = 5.0


class Local:
    """Redis, a flow and a scorer, as children of this process.

    Parameters
    ----------
    settings
        Of this process. The children are given the same, but for ports: where a default one is
        taken, they get a free one.
    tell
        Is handed what happens, in words.
    tell_line
        Is handed what the children write, line by line; ``None`` shows it only if one crashes.
    check
        Called whenever the children are looked after; it may raise, to end all.

    Raises
    ------
    SettingsError
        A port that was asked for is taken.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        tell: Tell,
        tell_line: Tell | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self._tell, self._tell_line, self._check = tell, tell_line, check
        self._supervisor = Supervisor(tell)
        self._stack = ExitStack()
        self._redis = RedisAt(settings)
        serve, flow = settings.serve, settings.flow
        self.port = self._port("serve.port", serve, "port")
        self._metrics_port = serve.metrics_port and self._port(
            "serve.metrics_port", serve, "metrics_port"
        )
        self._flow_metrics_port = flow.metrics_port and self._port(
            "flow.metrics_port", flow, "metrics_port"
        )
        self._flow = self._child("flow", "flow")

    @property
    def redis_url(self) -> str:
        """Where Redis is; it may hold a password."""
        return self._redis.url

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of ``flow`` and ``scorer``, where they run."""
        return self._supervisor.pids

    @property
    def address(self) -> str:
        """Where the scorer listens, as a client on this machine reaches it."""
        host = self.settings.serve.host
        return f"{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{self.port}"

    def __enter__(self) -> Local:
        """Start everything. What was started ends again if something does not start."""
        try:
            self._redis.start(shared=False)
            self._stack.callback(self._redis.stop)
            self._stack.callback(self._supervisor.stop)
            self._supervisor.start(self._flow)
            self._supervisor.start(self._child("scorer", "serve"))
        except BaseException:
            self._stack.close()
            raise
        return self

    def _child(self, name: str, command: str) -> Child:
        argv = [sys.executable, "-m", "rillrec", command]
        return Child(name, argv, environ=self._environ(), tell_line=self._lines_of(name))

    def wait_until_ready(self, *, timeout_s: float = 300.0) -> None:
        """Return when the flow owns the model and the scorer reports itself healthy.

        Raises
        ------
        ProcessFailed
            One of them can't start, or they are not ready in time.
        """
        begin_s, told = time.monotonic(), False
        with alias_at(self.redis_url, self.settings) as alias:
            while True:
                self.watch()
                flows, serves = self._owns(alias), scorer_serves(self.address)
                if flows and serves:
                    return
                waited_s = time.monotonic() - begin_s
                if not told and waited_s > SLOW_S:
                    told = True
                    self._tell("… the first flow on a machine compiles its loops: a minute, once")
                if waited_s > timeout_s:
                    waiting = [n for n, up in (("flow", flows), ("scorer", serves)) if not up]
                    raise ProcessFailed(
                        f"the {' and the '.join(waiting)} did not get ready within {timeout_s:g} s"
                        "; `rillrec doctor` tells more"
                    )
                time.sleep(POLL_S)

    def watch(self) -> None:
        """Restart what has crashed: call it a few times a second."""
        self._check()
        if self._redis.has_crashed():
            self._tell("redis has ended; starting it again")
            self._redis.start(shared=False)
        self._supervisor.watch()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _owns(self, alias: Alias) -> bool:
        """Return whether our flow holds the model's lease, which names it by its process id."""
        try:
            with closing(store_at(self.redis_url, self.settings, model=alias.serves())) as store:
                owner = store.lease_owner() or ""
        except StoreUnavailable:
            return False
        return owner.startswith(f"flow {self._flow.pid} ")

    def _lines_of(self, name: str) -> Tell | None:
        tell = self._tell_line
        return (lambda line: tell(f"{name:>6} | {line}")) if tell else None

    def _environ(self) -> dict[str, str]:
        return child_environ(
            self.settings,
            RILLREC_STORE__REDIS_URL=self.redis_url,
            RILLREC_SERVE__PORT=str(self.port),
            RILLREC_SERVE__METRICS_PORT=str(self._metrics_port),
            RILLREC_FLOW__METRICS_PORT=str(self._flow_metrics_port),
        )

    def _port(self, name: str, section: ServeSettings | FlowSettings, key: str) -> int:
        return choose_port(
            name,
            getattr(section, key),
            host=self.settings.serve.host,
            asked_for=key in section.model_fields_set,
            tell=self._tell,
        )
