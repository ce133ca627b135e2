"""The scorer as a process: everything is wired here, by plain calls."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from threading import Thread
from wsgiref.simple_server import WSGIServer

from grpc import aio
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_NAME
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server

from online_models.threads import compute_on_one_thread
from schemas import metrics
from schemas.errors import SettingsError
from schemas.user_state import StreamRules
from serving import scorer_pb2, scorer_pb2_grpc
from serving.degrade import Ladder
from serving.faults import Faults
from serving.follow import Follower
from serving.health import Health
from serving.replica import Replica
from serving.service import Scorer
from serving.store.aio import AsyncRedisStore
from serving.store.redis import RedisStore
from serving.telemetry import Telemetry
from serving.users import Users

SERVICE = scorer_pb2.DESCRIPTOR.services_by_name["Scorer"].full_name
_MOST_REQUEST_BYTES = 8 << 20
_MOST_CALLS = 2_000  # at once; more are answered RESOURCE_EXHAUSTED instead of piling up
_HEALTH_EVERY_S = 0.25
_READ_TIMEOUT_S = 1.0  # without the user's state there is still an answer
_WRITE_TIMEOUT_S = 5.0  # an event that may or may not be stored is worse than a late reply

_log = logging.getLogger(__name__)


class ScorerServer:
    """One scorer: a replica of a model, a gRPC port, a metrics port.

    Parameters
    ----------
    url, name
        The Redis and the model, as for ``RedisStore``.
    rules
        How the stream is read, the same as in the flow.
    host, port
        Where to listen; port 0 takes a free one.
    metrics_port
        Of Prometheus; 0 for none.
    reuse_port
        Let several processes share the port, and the kernel spread connections over them.
    stale_after_s
        Without contact to the model's log for longer, replies call the model stale.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        rules: StreamRules,
        host: str = "127.0.0.1",
        port: int = 50_051,
        metrics_port: int = 0,
        reuse_port: bool = False,
        stale_after_s: float = 5.0,
    ) -> None:
        self.host, self.port = host, port
        self._metrics_port, self._reuse_port = metrics_port, reuse_port
        self.telemetry = Telemetry()
        self.health = Health(SERVICE)
        self._log_store = RedisStore(url, name=name)
        self._users_store = AsyncRedisStore(url, name=name, timeout_s=_READ_TIMEOUT_S)
        self._events_store = AsyncRedisStore(url, name=name, timeout_s=_WRITE_TIMEOUT_S)
        self.follower = Follower(
            Replica(self._log_store, serve_only=True),
            stale_after_s=stale_after_s,
            on_apply=self.telemetry.applied,
        )
        self._users = Users(
            self._users_store,
            on_wait=self.telemetry.waited,
            low_marks=lambda: self.follower.replica.state.progress.marks,
        )
        self._scorer = Scorer(
            name=name,
            rules=rules,
            events=self._events_store,
            follower=self.follower,
            users=self._users,
            ladder=Ladder(self.follower),
            telemetry=self.telemetry,
        )
        self._server: aio.Server | None = None
        self._watch: asyncio.Task[None] | None = None
        self._metrics: tuple[WSGIServer, Thread] | None = None

    async def start(self) -> None:
        """Listen, and follow the model's log; ready as soon as it is level with it.

        Raises
        ------
        SettingsError
            A port is taken, or the host is none of this machine.
        """
        compute_on_one_thread()
        self._server = aio.server(
            interceptors=[Faults(SERVICE, self.telemetry.answered)],
            maximum_concurrent_rpcs=_MOST_CALLS,
            options=[
                ("grpc.so_reuseport", int(self._reuse_port)),
                ("grpc.max_receive_message_length", _MOST_REQUEST_BYTES),
            ],
        )
        scorer_pb2_grpc.add_ScorerServicer_to_server(self._scorer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, self._server)
        names = (SERVICE, HEALTH_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self.port = self._bound(self._server)
        await self.health.start()
        self._serve_metrics()
        await self._server.start()
        self.follower.start()
        self._watch = asyncio.create_task(self._watch_health())

    def _bound(self, server: aio.Server) -> int:
        address = f"{self.host}:{self.port}"
        try:
            return server.add_insecure_port(address)
        except RuntimeError as error:
            raise SettingsError(
                f"the scorer can't listen on {address}: {error}; set serve.host and serve.port to "
                "what is free here"
            ) from error

    def _serve_metrics(self) -> None:
        replica = self.follower.replica
        self.telemetry.watch(metrics.REPLICA_VERSION, lambda: replica.version)
        self.telemetry.watch(metrics.REPLICA_AGE, lambda: self.follower.age_s)
        self.telemetry.watch(metrics.SCORER_ITEMS, lambda: len(replica.state.items))
        if not self._metrics_port:
            return
        try:
            self._metrics = start_http_server(
                self._metrics_port, self.host, self.telemetry.registry
            )
        except OSError as error:
            raise SettingsError(
                f"metrics can't be served on {self.host}:{self._metrics_port}: {error}; set "
                "serve.metrics_port to one that is free, or to 0 for none"
            ) from error

    async def _watch_health(self) -> None:
        while True:
            follower = self.follower
            await self.health.update(
                ready=follower.caught_up,
                model=follower.usable and not follower.stale,
                store=follower.reachable,
            )
            await asyncio.sleep(_HEALTH_EVERY_S)

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """Declare it not ready, finish the calls that are under way, and let go of everything."""
        if self._watch is not None:
            self._watch.cancel()
        await self.health.end()
        if self._server is not None:
            await self._server.stop(grace_s)
        await self.follower.stop()
        await self._users.close()
        await self._users_store.close()
        await self._events_store.close()
        self._log_store.close()
        if self._metrics is not None:
            server, thread = self._metrics
            await asyncio.to_thread(server.shutdown)
            server.server_close()
            thread.join()


def run(server: ScorerServer, *, on_start: Callable[[ScorerServer], None] = lambda _: None) -> None:
    """Serve until SIGINT or SIGTERM, on uvloop where it is installed.

    Parameters
    ----------
    on_start
        Called when the server listens, with its ports known.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(server, on_start))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # it is not made for every platform
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _serve(server: ScorerServer, on_start: Callable[[ScorerServer], None]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    try:
        await server.start()
        on_start(server)
        await ended.wait()
    finally:
        await server.stop()
