"""The flow that the settings describe: from which source, into which model."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypedDict

from bytewax.dataflow import Dataflow

from flows.cluster import leads
from flows.elsewhere import Elsewhere
from flows.failures import Failures
from flows.incidents import Incidents
from flows.learn import learner_of, warm_up
from flows.lease import Lease, this_process
from flows.noticed import noticed
from flows.outlets import Outlets, outlets_of
from flows.patience import patiently
from flows.recommend import build_flow, wall_ms
from flows.served import Served
from flows.sources.event_source import EventSource
from flows.sources.log import LogSource
from flows.tally import Tally
from schemas.errors import StoreUnavailable
from schemas.settings import Settings
from serving.store import RedisStore, Store
from serving.store.alias import Alias
from serving.store.embedded import EmbeddedRedis
from serving.store.wire import Wire


class Followed(TypedDict, total=False):
    """What a flow looks at, and what it does, beside its own model."""

    watch: Callable[[], None]
    forget_elsewhere: Callable[[str, Sequence[str]], None]


class Wired(NamedTuple):
    """A flow, with what it takes to end it in order and to tell its errors."""

    flow: Dataflow
    source: EventSource
    failures: Failures


class Name(NamedTuple):
    """A name of a model in the Redis at ``url``, which may come to stand for another one."""

    alias: Alias
    settings: Settings
    url: str

    def store(self, model: str | None = None) -> RedisStore:
        """Return a store of a model, by default of that which the name stands for at present."""
        if model is None:
            model = patiently(self.alias.serves)
        return RedisStore.of(self.settings, self.url, name=model)

    def followed(self, store: RedisStore, incidents: Incidents) -> Followed:
        """Return what a flow into the store of one of its models has to do about the others."""
        alias, model = self.alias, store.keys.name
        watch = Served(
            alias.serves, name=alias.name, model=model, now_ms=wall_ms, incidents=incidents
        )
        elsewhere = Elsewhere(alias.models, own=model, store_of=self.store)
        return {"watch": watch, "forget_elsewhere": elsewhere}


def wired(
    settings: Settings,
    store: RedisStore,
    *,
    source: EventSource | None = None,
    lease: Lease | None = None,
    name: Name | None = None,
    outlets: Outlets | None = None,
    timely: bool = True,
) -> Wired:
    """Return the flow that the settings describe, into a store of the model that it learns.

    Parameters
    ----------
    source
        By default that of the settings, followed without end.
    lease
        Of that model, in the one process of the flow that holds it.
    name
        What the model is served as. Where that is moved to another model, the source ends with
        ``FlowOutdated``; and who is forgotten is forgotten in all models of the name.
    outlets
        Where incidents and dead letters go, with the tally that is counted in.
    timely
        Learn what came within ``flow.micro_batch_wait_ms``, and less of it while far behind;
        otherwise as thoroughly as there is time for.
    """
    incidents, letters = outlets or Outlets(Incidents(Tally()))
    heard, failures = noticed(store, incidents), Failures()
    if source is None:
        source = source_of(settings, heard, incidents=incidents)
    followed: Followed = {} if name is None else name.followed(store, incidents)
    flow = build_flow(
        source,
        heard,
        partial(
            learner_of,
            heard,
            config=settings.shapes(),
            publish_interval_ms=settings.flow.publish_interval_ms,
        ),
        rules=settings.stream.rules(),
        model_name=settings.model.name,
        tally=incidents.tally,
        lease=lease,
        dead_letters=letters,
        micro_batch_wait_ms=settings.flow.micro_batch_wait_ms if timely else None,
        failures=failures,
        **followed,
    )
    return Wired(flow, source, failures)


def source_of(
    settings: Settings, store: Store, *, incidents: Incidents, follow: bool = True
) -> EventSource:
    """Return Kafka's topics where brokers are set, else the embedded event log."""
    kafka, batch_size = settings.kafka, settings.flow.batch_size
    if not kafka.brokers:
        return LogSource(store, batch_size=batch_size, follow=follow)
    from flows.sources.kafka import KafkaSource

    group = kafka.group_of(settings.model.name)
    return KafkaSource(
        kafka, group=group, batch_size=batch_size, follow=follow, incidents=incidents
    )


def going_on(settings: Settings, store: Store) -> Settings:
    """Return settings by which a model that stands somewhere is gone on with from there.

    ``kafka.start`` is for new models: to begin at the latest after every crash would leave out what
    came meanwhile.
    """
    if not patiently(store.low_marks):
        return settings
    kafka = settings.kafka.model_copy(update={"start": "resume"})
    return settings.model_copy(update={"kafka": kafka})


def lease_of(store: Store, incidents: Incidents) -> Lease:
    """Return the lease of a store's model, for this process; what it waits for is told.

    What learns is compiled by then, should it never have been: that takes longer than a lease
    lasts, and nobody would renew it.
    """
    warm_up()
    return Lease(noticed(store, incidents), owner=this_process(), now_ms=wall_ms)


def flow_of(settings: Settings) -> Dataflow:
    """Return the flow that the settings describe, for the engine's own command.

    Where they name no Redis, the one in the data directory is used, and started if need be: it
    ends with this process. Of several processes the first holds the model's lease; the others
    can't begin before it does, as the engine has all of them wait for each other.

    Raises
    ------
    StoreError
        The embedded Redis does not start, or another flow learns this model.
    """
    url = _redis_of(settings)
    name = Name(Alias(Wire(url, timeout_s=5.0), settings.model.name), settings, url)
    store = name.store()
    outlets = outlets_of(settings.kafka)
    told = outlets.__enter__()
    atexit.register(outlets.__exit__, None, None, None)
    lease = lease_of(store, told.incidents) if leads(sys.argv, os.environ) else None
    if lease is not None:
        lease.hold()
    return wired(going_on(settings, store), store, lease=lease, name=name, outlets=told).flow


def _redis_of(settings: Settings) -> str:
    url = settings.store.redis_url.get_secret_value()
    if url:
        return url
    # What Kafka retains can be read again: a second of it may be.
    fsync = "everysec" if settings.kafka.brokers else "always"
    embedded = EmbeddedRedis(settings.store.data_dir / "redis", fsync=fsync)
    wire = Wire(embedded.url, timeout_s=5.0)
    try:
        wire.call("PING")
    except StoreUnavailable:
        embedded.start()
        atexit.register(embedded.stop)
    finally:
        wire.close()
    return embedded.url
