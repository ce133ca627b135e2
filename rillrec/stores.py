"""The store that the settings mean: a Redis of one's own, or the embedded one of the data dir."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import StoreError, StoreUnavailable
from schemas.settings import Settings
from serving.store.alias import Alias
from serving.store.embedded import EmbeddedRedis
from serving.store.redis import RedisStore
from serving.store.wire import Wire

_log = logging.getLogger(__name__)


def store_at(url: str, settings: Settings, *, model: str | None = None) -> RedisStore:
    """Return a store of a model, by default the settings', in the Redis at ``url``."""
    return RedisStore.of(settings, url, name=model)


@contextmanager
def alias_at(url: str, settings: Settings) -> Iterator[Alias]:
    """Give what the settings' model name stands for, in the Redis at ``url``."""
    wire = Wire(url, timeout_s=5.0)
    try:
        yield Alias(wire, settings.model.name)
    finally:
        wire.close()


class RedisAt:
    """The Redis that the settings mean.

    Without a ``redis_url`` it is the embedded one: that which another process of Rillrec runs in
    the data directory already, or else one that is started here.
    """

    def __init__(self, settings: Settings) -> None:
        self._directory = settings.store.data_dir
        self.url = settings.store.redis_url.get_secret_value()
        self.embedded: EmbeddedRedis | None = None
        if not self.url:
            # What Kafka retains can be read again: a second of it may be.
            fsync = "everysec" if settings.kafka.brokers else "always"
            self.embedded = EmbeddedRedis(self._directory / "redis", fsync=fsync)
            self.url = self.embedded.url
        self._is_ours = False

    def start(self, *, shared: bool = True) -> None:
        """Start the embedded Redis, where it is wanted.

        Parameters
        ----------
        shared
            Take the one that another process runs in the data directory, if one does.

        Raises
        ------
        StoreError
            It does not start.
        """
        if self.embedded is None or (shared and answers(self.url)):
            return
        try:
            self.embedded.start()
        except OSError as error:
            raise StoreError(
                f"{self._directory} can't hold the embedded Redis ({error.strerror}): choose "
                "another --data-dir, or set store.redis_url"
            ) from error
        self._is_ours = True

    def has_crashed(self) -> bool:
        """Return whether the server that was started here has ended by itself."""
        return self._is_ours and self.embedded is not None and not self.embedded.running

    def stop(self) -> None:
        """End the server if it was started here."""
        self._is_ours = False
        if self.embedded is not None:
            self.embedded.stop()

    def stop_when_unused(self, *, pause_s: float = 0.5) -> None:
        """End the server if it was started here, once no other process is connected to it.

        Ctrl-C does not wait for the others: they are told by their own store that it is gone.
        """
        try:
            told = False
            while self._is_ours and clients_of(self.url):
                if not told:
                    _log.warning(
                        "other processes use the Redis that was started here: it is kept until "
                        "they have ended; Ctrl-C ends it now"
                    )
                told = True
                time.sleep(pause_s)
        finally:
            self.stop()


@contextmanager
def redis_of(settings: Settings, *, lingers: bool = False) -> Iterator[str]:
    """Give the URL of the Redis that the settings mean, for as long as the block runs.

    ``lingers`` keeps one that was started here for others that use it: for work that ends by
    itself. What is ended by a signal ends at once, and the others wait for it to be started again.
    """
    redis = RedisAt(settings)
    redis.start()
    try:
        yield redis.url
    finally:
        if lingers:
            redis.stop_when_unused()
        redis.stop()


@contextmanager
def store_of(settings: Settings, *, lingers: bool = False) -> Iterator[RedisStore]:
    """Give the store that the settings mean, checked to answer; ``lingers`` as ``redis_of``.

    Raises
    ------
    StoreUnavailable
        Redis does not answer.
    """
    with redis_of(settings, lingers=lingers) as url:
        store = store_at(url, settings)
        try:
            store.version()
            yield store
        finally:
            store.close()


def clients_of(url: str) -> int:
    """Return how many clients a Redis has besides the one who asks; none where it is away."""
    wire = Wire(url, timeout_s=1.0)
    try:
        clients: bytes = wire.call("CLIENT", "LIST", "TYPE", "normal")
        return len(clients.splitlines()) - 1
    except StoreUnavailable:
        return 0
    finally:
        wire.close()


def answers(url: str) -> bool:
    """Return whether a Redis answers at a URL."""
    wire = Wire(url, timeout_s=1.0)
    try:
        wire.call("PING")
    except StoreUnavailable:
        return False
    finally:
        wire.close()
    return True
