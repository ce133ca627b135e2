"""The store that the settings mean: a Redis of one's own, or the embedded one of the data dir."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import StoreError, StoreUnavailable
from schemas.settings import Settings
from serving.store.embedded import EmbeddedRedis
from serving.store.redis import RedisStore
from serving.store.wire import Wire


def store_at(url: str, settings: Settings) -> RedisStore:
    """Return a store of the settings' model in the Redis at ``url``."""
    return RedisStore(url, name=settings.model.name, user_ttl_s=settings.store.user_ttl_s)


@contextmanager
def redis_of(settings: Settings) -> Iterator[str]:
    """Give the URL of the Redis that the settings mean, for as long as the block runs.

    Without a ``redis_url`` it is the embedded one: that which another process of Rillrec runs in
    the data directory already, or else one that is started here and ends with the block.

    Raises
    ------
    StoreError
        The embedded Redis does not start.
    """
    url = settings.store.redis_url.get_secret_value()
    if url:
        yield url
        return
    embedded = EmbeddedRedis(settings.store.data_dir / "redis")
    if answers(embedded.url):
        yield embedded.url
        return
    try:
        embedded.start()
    except OSError as error:
        raise StoreError(
            f"{settings.store.data_dir} can't hold the embedded Redis ({error.strerror}): choose "
            "another --data-dir, or set store.redis_url"
        ) from error
    try:
        yield embedded.url
    finally:
        embedded.stop()


@contextmanager
def store_of(settings: Settings) -> Iterator[RedisStore]:
    """Give the store that the settings mean, checked to answer.

    Raises
    ------
    StoreUnavailable
        Redis does not answer.
    """
    with redis_of(settings) as url:
        store = store_at(url, settings)
        try:
            store.version()
            yield store
        finally:
            store.close()


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
