"""Health as a map of components. Not ready is where everything starts."""

from __future__ import annotations

from grpc_health.v1 import health, health_pb2

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """What the standard health service answers.

    ========================  =================================================================
    service                   is SERVING
    ========================  =================================================================
    ``""``, the Scorer's own  from when the model has caught up with its log until shutdown. It
                              stays so when the store is lost, as slates are still answered
    ``model``                 while there is a whole model, of version 1 or later, and not stale
    ``store``                 while the store answers
    ``events``                while the event log answers: Kafka with all topics, or Redis. Without
                              it slates are served, and nothing is tracked
    ========================  =================================================================

    Parameters
    ----------
    service
        Full name of the gRPC service.
    """

    def __init__(self, service: str) -> None:
        self.servicer = health.aio.HealthServicer()
        self.components = dict.fromkeys(("", service, "model", "store", "events"), False)
        self._service = service

    async def start(self) -> None:
        """Declare every component not ready."""
        for name in self.components:
            await self.servicer.set(name, _NOT_SERVING)

    async def update(self, *, ready: bool, model: bool, store: bool, events: bool) -> None:
        """Tell those who watch what has changed."""
        now = {"": ready, self._service: ready, "model": model, "store": store, "events": events}
        for name, serving in now.items():
            if self.components[name] != serving:
                self.components[name] = serving
                await self.servicer.set(name, _SERVING if serving else _NOT_SERVING)

    async def end(self) -> None:
        """Declare every component not ready, for good: the server is going."""
        self.components = dict.fromkeys(self.components, False)
        await self.servicer.enter_graceful_shutdown()
