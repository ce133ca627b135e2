"""The process that learns from the embedded event log: everything is wired here."""

from __future__ import annotations

import logging
from functools import partial

from flows.learn import learner_of
from flows.lease import Lease, this_process
from flows.recommend import build_flow, wall_ms
from flows.sources.log import LogSource
from flows.tally import Tally
from rillrec.engine import run_flow
from rillrec.flow_metrics import flow_metrics_served
from rillrec.ports import choose_port
from schemas.settings import Settings
from serving.store import RedisStore

_log = logging.getLogger(__name__)


def learn_from_log(settings: Settings, store: RedisStore) -> int:
    """Learn until a signal ends it; return the exit code.

    Raises
    ------
    StoreError
        Another flow learns this model.
    """
    flow, tally = settings.flow, Tally()
    source = LogSource(store, batch_size=flow.batch_size)
    lease = Lease(store, owner=this_process(), now_ms=wall_ms)
    dataflow = build_flow(
        source,
        store,
        partial(
            learner_of,
            store,
            config=settings.shapes(),
            publish_interval_ms=flow.publish_interval_ms,
        ),
        rules=settings.stream.rules(),
        model_name=settings.model.name,
        tally=tally,
        lease=lease,
        micro_batch_wait_ms=flow.micro_batch_wait_ms,
    )
    host, port = settings.serve.host, flow.metrics_port
    if port:
        asked_for = "metrics_port" in flow.model_fields_set
        port = choose_port(
            "flow.metrics_port", port, host=host, asked_for=asked_for, tell=_log.info
        )
    with flow_metrics_served(tally, host=host, port=port):
        try:
            return run_flow(dataflow, source)
        finally:
            lease.release()
