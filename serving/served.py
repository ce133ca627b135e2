"""One model as the scorer serves it: its log that is followed, its users, what answers from it."""

from __future__ import annotations

from serving.degrade import Ladder
from serving.event_log import EventLog, RedisLog
from serving.follow import Follower
from serving.replica import Replica
from serving.store.aio import AsyncRedisStore
from serving.store.redis import RedisStore
from serving.telemetry import Telemetry

READ_TIMEOUT_S = 1.0  # without the user's state there is still an answer
_WRITE_TIMEOUT_S = 5.0  # an event that may or may not be stored is worse than a late reply


class ServedModel:
    """A model's replica, and where its users and events are.

    Parameters
    ----------
    url, name
        The Redis and the model, as for ``RedisStore``.
    events
        The event log that all models share; ``None`` where each has its own in Redis.
    stale_after_s
        As for ``Follower``.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        telemetry: Telemetry,
        events: EventLog | None = None,
        stale_after_s: float = 5.0,
    ) -> None:
        self.name = name
        self._log_store = RedisStore(url, name=name)
        self.users = AsyncRedisStore(url, name=name, timeout_s=READ_TIMEOUT_S)
        self._own_log: RedisLog | None = None
        if events is None:
            store = AsyncRedisStore(url, name=name, timeout_s=_WRITE_TIMEOUT_S)
            self._own_log = RedisLog(store, on_append=telemetry.appended)
        self._shared_log = events
        self.follower = Follower(
            Replica(self._log_store, serve_only=True),
            stale_after_s=stale_after_s,
            on_apply=telemetry.applied,
        )
        self.ladder = Ladder(self.follower)

    @property
    def events(self) -> EventLog:
        """Where events go while this model is served."""
        log = self._shared_log or self._own_log
        assert log is not None
        return log

    def start(self) -> None:
        """Follow the model's log, on behalf of the running loop."""
        self.follower.start()

    async def close(self) -> None:
        """Let go of everything but a shared event log."""
        await self.follower.stop()
        await self.users.close()
        if self._own_log is not None:
            await self._own_log.close()
        self._log_store.close()
