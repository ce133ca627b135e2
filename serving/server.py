"""The scorer as a process: everything is wired here, by plain calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from grpc import aio
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_NAME
from grpc_reflection.v1alpha import reflection

from online_models.threads import compute_on_one_thread
from schemas import metrics
from schemas.errors import ExtraMissing, SettingsError
from schemas.positions import Marks
from schemas.slate_rules import SlateRules
from schemas.user_state import StreamRules
from serving import scorer_pb2, scorer_pb2_grpc
from serving.changeover import Changeover
from serving.event_log import EventLog
from serving.events_watch import EventsWatch
from serving.exposition import Exposition
from serving.faults import Faults
from serving.health import Health
from serving.impressions import Impressions
from serving.served import ServedModel
from serving.service import Scorer
from serving.store.alias import Alias
from serving.store.wire import Wire
from serving.telemetry import Telemetry
from serving.users import Users

if TYPE_CHECKING:
    from schemas.settings_kafka import KafkaSettings

SERVICE = scorer_pb2.DESCRIPTOR.services_by_name["Scorer"].full_name
_MOST_REQUEST_BYTES = 8 << 20
_MOST_CALLS = 2_000  # at once; more are answered RESOURCE_EXHAUSTED instead of piling up
_HEALTH_EVERY_S = 0.25
_ALIAS_TIMEOUT_S = 1.0


class ScorerServer:
    """One scorer: a replica of a model, a gRPC port, a metrics port.

    Parameters
    ----------
    url, name
        The Redis and the model, as for ``RedisStore``. The name may be moved to another model,
        which is then served.
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
    kafka
        Where events go, if it names brokers; else they go to the model's own event log in Redis.
    log_impressions
        Whether each slate becomes an impression event once it is served.
    slates
        How slates are made of what was ranked.

    Raises
    ------
    ExtraMissing
        There are brokers, and confluent-kafka is not installed.
    SettingsError
        librdkafka refuses its properties.
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
        kafka: KafkaSettings | None = None,
        log_impressions: bool = False,
        slates: SlateRules | None = None,
    ) -> None:
        self.host, self.port, self._reuse_port = host, port, reuse_port
        self.telemetry = Telemetry()
        self.health = Health(SERVICE)
        self._exposition = Exposition(self.telemetry.registry, host=host, port=metrics_port)
        self._kafka_log = kafka_log(kafka, self.telemetry) if kafka and kafka.brokers else None
        self._wire = Wire(url, timeout_s=_ALIAS_TIMEOUT_S)
        self.served = Changeover(
            name,
            Alias(self._wire, name).serves,
            lambda model: ServedModel(
                url,
                model,
                telemetry=self.telemetry,
                events=self._kafka_log,
                stale_after_s=stale_after_s,
            ),
            on_change=lambda model: self._users.turn_to(model.users),
        )
        self._users = Users(
            self.served.model.users, on_wait=self.telemetry.waited, low_marks=self._model_marks
        )
        self._impressions = (
            Impressions(lambda: self.served.model.events, count=self.telemetry.impressed)
            if log_impressions
            else None
        )
        self._scorer = Scorer(
            rules=rules,
            slates=slates,
            served=self.served,
            users=self._users,
            telemetry=self.telemetry,
            impressions=self._impressions,
        )
        self._server: aio.Server | None = None
        self._watch: asyncio.Task[None] | None = None
        self._events = EventsWatch(lambda: self.served.model.events)

    def _model_marks(self) -> Marks:
        return self.served.model.follower.replica.state.progress.marks

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
        self._watch_metrics()
        self._exposition.start()
        await self._server.start()
        self.served.start()
        if self._impressions is not None:
            self._impressions.start()
        self._events.start()
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

    def _watch_metrics(self) -> None:
        served, impressions = self.served, self._impressions
        watch = self.telemetry.watch
        watch(metrics.REPLICA_VERSION, lambda: served.model.follower.replica.version)
        watch(metrics.REPLICA_AGE, lambda: served.model.follower.age_s)
        watch(metrics.SCORER_ITEMS, lambda: len(served.model.follower.replica.state.items))
        watch(metrics.UNACKNOWLEDGED, lambda: served.model.events.unacknowledged)
        watch(metrics.QUEUED_IMPRESSIONS, lambda: impressions.queued if impressions else 0)

    async def _watch_health(self) -> None:
        while True:
            follower = self.served.model.follower
            await self.health.update(
                ready=follower.caught_up and self.served.settled,
                model=follower.usable and not follower.stale,
                store=follower.reachable,
                events=self._events.answers,
            )
            await asyncio.sleep(_HEALTH_EVERY_S)

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """Declare it not ready, finish the calls that are under way, and let go of everything."""
        if self._watch is not None:
            self._watch.cancel()
        await self._events.stop()
        await self.health.end()
        if self._server is not None:
            await self._server.stop(grace_s)
        if self._impressions is not None:
            await self._impressions.close()
        await self._users.close()
        await self.served.close()
        self._wire.close()
        if self._kafka_log is not None:
            await self._kafka_log.close()
        await self._exposition.stop()


def kafka_log(kafka: KafkaSettings, telemetry: Telemetry) -> EventLog:
    """Return Kafka as the event log.

    Raises
    ------
    ExtraMissing, SettingsError
        As ``ScorerServer``.
    """
    try:
        from serving.kafka_log import KafkaLog
    except ImportError as error:
        raise ExtraMissing(
            "events go to Kafka, as kafka.brokers says, which takes confluent-kafka: "
            f"pip install 'rillrec[kafka]' ({error})"
        ) from error
    return KafkaLog(kafka, on_append=telemetry.appended)
