"""The process that learns: everything is wired here, and wired anew where it must be."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager

from flows.cluster import ALONE, Cluster
from flows.incidents import Incidents
from flows.learn import check_reading
from flows.patience import patiently
from flows.recommend import wall_ms
from flows.served import Served
from flows.tally import Tally
from flows.wiring import lease_of, wired
from rillrec.engine import run_flow
from rillrec.flow_metrics import flow_metrics_served
from rillrec.ports import choose_port
from rillrec.rebuilding import rebuilt
from rillrec.stores import alias_at, store_at
from schemas.model_log import Configure
from schemas.settings import Settings
from serving.store import RedisStore
from serving.store.alias import Alias

_log = logging.getLogger(__name__)


def learn(settings: Settings, url: str, *, cluster: Cluster = ALONE) -> int:
    """Learn the model that the settings' name stands for, until a signal ends it.

    Returns the exit code. Where the store lost writes, where partitions come, or where the name
    is moved to another model, the flow is built anew from what the store holds.

    Parameters
    ----------
    url
        The Redis that holds the model.
    cluster
        Which process of the flow this is.

    Raises
    ------
    SettingsError
        The model has read its stream in another way.
    StoreError
        Another flow learns this model.
    StoreRolledBack, FlowOutdated, PeerLost
        All processes of the cluster must be started again, together.
    """
    incidents = Incidents(Tally())
    with metrics_of(settings, incidents.tally), alias_at(url, settings) as alias:
        return rebuilt(
            lambda: _learn_once(settings, url, alias, cluster, incidents),
            cluster=cluster,
            incidents=incidents,
        )


def _learn_once(
    settings: Settings, url: str, alias: Alias, cluster: Cluster, incidents: Incidents
) -> int:
    model = patiently(lambda _again: alias.serves())
    if model != alias.name:
        _log.info("%r stands for the model %r", alias.name, model)
    store = store_at(url, settings, model=model)
    lease = lease_of(store) if cluster.leads else None
    watch = Served(alias.serves, name=alias.name, model=model, now_ms=wall_ms, incidents=incidents)
    try:
        check_model(settings, store)
        if lease is not None:
            lease.hold()  # the other processes can't begin before this one does
        flow, source, failures = wired(
            settings, store, lease=lease, watch=watch, incidents=incidents
        )
        with closing(source):
            return run_flow(flow, source, cluster=cluster, failures=failures)
    finally:
        if lease is not None:
            lease.release()
        store.close()


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
    base = patiently(lambda _again: store.newest_base())
    if base is not None and isinstance(base.entries[0], Configure):
        check_reading(settings.shapes(), base.entries[0].config)
