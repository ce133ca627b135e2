"""The process that learns: everything is wired here, and wired anew where it must be."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from flows.cluster import ALONE, Cluster
from flows.learn import check_reading
from flows.outlets import Outlets, outlets_of
from flows.patience import patiently
from flows.tally import Tally
from flows.wiring import Name, going_on, lease_of, wired
from rillrec.engine import run_flow
from rillrec.flow_metrics import flow_metrics_served
from rillrec.ports import choose_port
from rillrec.rebuilding import rebuilt
from rillrec.stores import alias_at
from schemas.errors import FlowOutdated, PeerLost, RillrecError, StoreRolledBack
from schemas.model_log import Configure
from schemas.settings import Settings
from serving.store import RedisStore

_log = logging.getLogger(__name__)


def learn(settings: Settings, url: str, *, cluster: Cluster = ALONE, said: bool = False) -> int:
    """Learn the model that the settings' name stands for, until a signal ends it.

    Returns the exit code. Where the store lost writes, where partitions come, or where the name
    is moved to another model, the flow is built anew from what the store holds.

    Parameters
    ----------
    url
        The Redis that holds the model.
    cluster
        Which process of the flow this is.
    said
        Whether ``kafka.start`` was said for this run (``--from``): then it counts also for a model
        that stands somewhere already, and once.

    Raises
    ------
    SettingsError
        The model has read its stream in another way.
    StoreError
        Another flow learns this model.
    BrokerError, SourceError
        Kafka refuses, or does not hold what is next.
    StoreRolledBack, FlowOutdated, PeerLost
        All processes of the cluster must be started again, together.
    """
    with ExitStack() as stack:
        outlets = stack.enter_context(outlets_of(settings.kafka))
        stack.enter_context(metrics_of(settings, outlets.incidents.tally))
        name = Name(stack.enter_context(alias_at(url, settings)), settings, url)
        learning = _Learning(name, cluster, outlets, said=said)
        try:
            return rebuilt(learning, cluster=cluster, incidents=outlets.incidents)
        except RillrecError as error:
            if not isinstance(error, StoreRolledBack | FlowOutdated | PeerLost):
                outlets.incidents.note("flow_failed", str(error))
            raise


class _Learning:
    """Builds the flow from what the store holds, and runs it, once for each call."""

    def __init__(self, name: Name, cluster: Cluster, outlets: Outlets, *, said: bool) -> None:
        self._name, self._cluster, self._outlets, self._said = name, cluster, outlets, said

    def __call__(self) -> int:
        settings, said = self._name.settings, self._said
        self._said = False
        with closing(self._name.store()) as store:
            if store.keys.name != settings.model.name:
                _log.info("%r stands for the model %r", settings.model.name, store.keys.name)
            check_model(settings, store)
            try:
                return self._run(settings if said else going_on(settings, store), store)
            except StoreRolledBack:
                store.rewrite_file()
                raise

    def _run(self, settings: Settings, store: RedisStore) -> int:
        lease = lease_of(store, self._outlets.incidents) if self._cluster.leads else None
        try:
            if lease is not None:
                lease.hold()  # the other processes can't begin before this one does
            made = wired(settings, store, lease=lease, name=self._name, outlets=self._outlets)
            with closing(made.source):
                return run_flow(
                    made.flow, made.source, cluster=self._cluster, failures=made.failures
                )
        finally:
            if lease is not None:
                lease.release()


@contextmanager
def metrics_of(settings: Settings, tally: Tally) -> Iterator[None]:
    """Serve a tally's metrics where the settings say, or on a free port if that is taken."""
    host, port = settings.serve.host, settings.flow.metrics_port
    if port:
        asked_for = "metrics_port" in settings.flow.model_fields_set
        port = choose_port(
            "flow.metrics_port", port, host=host, asked_for=asked_for, tell=_log.info
        )
    with flow_metrics_served(tally, host=host, port=port):
        yield


def check_model(settings: Settings, store: RedisStore) -> None:
    """Refuse a model that can't be gone on with, before anything is started for it.

    Raises
    ------
    SettingsError
        It has read its stream in another way.
    """
    base = patiently(store.newest_base)
    if base is not None and isinstance(base.entries[0], Configure):
        check_reading(settings.shapes(), base.entries[0].config)
