"""The process that learns from the embedded event log: everything is wired here."""

from __future__ import annotations

import logging

from flows.learn import check_reading
from flows.recommend import log_flow
from flows.tally import Tally
from rillrec.engine import run_flow
from rillrec.flow_metrics import flow_metrics_served
from rillrec.ports import choose_port
from schemas.model_log import Configure
from schemas.settings import Settings
from serving.store import RedisStore

_log = logging.getLogger(__name__)


def learn_from_log(settings: Settings, store: RedisStore) -> int:
    """Learn until a signal ends it; return the exit code.

    Raises
    ------
    SettingsError
        The model has read its stream in another way.
    StoreError
        Another flow learns this model.
    """
    _check_model(settings, store)
    tally = Tally()
    flow, source, lease = log_flow(settings, store, tally=tally)
    host, port = settings.serve.host, settings.flow.metrics_port
    if port:
        asked_for = "metrics_port" in settings.flow.model_fields_set
        port = choose_port(
            "flow.metrics_port", port, host=host, asked_for=asked_for, tell=_log.info
        )
    with flow_metrics_served(tally, host=host, port=port):
        try:
            return run_flow(flow, source)
        finally:
            lease.release()


def _check_model(settings: Settings, store: RedisStore) -> None:
    """Refuse a model that can't be gone on with, before the engine would add its trace."""
    base = store.newest_base()
    if base is not None and isinstance(base.entries[0], Configure):
        check_reading(settings.shapes(), base.entries[0].config)
