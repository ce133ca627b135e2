"""Building a flow anew in its own process, from what the store holds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from flows.cluster import Cluster
from flows.incidents import Incidents
from rillrec.supervisor import STEADY_S
from schemas.errors import BrokerUnavailable, FlowOutdated, StoreRolledBack

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0

_log = logging.getLogger(__name__)


def rebuilt(
    run: Callable[[], int],
    *,
    cluster: Cluster,
    incidents: Incidents,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Return what a run of a flow returns, which is built anew where it can't go on as it is.

    The first time at once; where it repeats within a minute after a wait, from 1 s doubling to 30.
    Brokers that are away when it is built anew are waited for; when it starts, they end it.
    Of several processes none can be built anew alone: the error is raised, and all start again.

    Parameters
    ----------
    run
        Builds the flow from what the store holds, and runs it.
    incidents
        Told of a store that lost writes; of other reasons whoever noticed them has told it.

    Raises
    ------
    StoreRolledBack, FlowOutdated
        This is one process of several.
    BrokerUnavailable
        The brokers are away at the start.
    """
    wait_s, anew = 0.0, False
    while True:
        started_s = clock()
        try:
            return run()
        except (StoreRolledBack, FlowOutdated) as error:
            lost = isinstance(error, StoreRolledBack)
            incidents.tally.rebuilt("rolled_back" if lost else "outdated")
            if lost:
                incidents.note("store_rolled_back", str(error))
            if cluster.is_split:
                raise
            if clock() - started_s > STEADY_S:
                wait_s = 0.0
            _log.warning("building the flow anew, from what the store holds: %s", error)
            anew = True
        except BrokerUnavailable as error:
            if not anew or cluster.is_split:
                raise
            _log.warning("the flow can't be built anew yet: %s", error)
        sleep(wait_s)
        wait_s = min(max(2 * wait_s, FIRST_WAIT_S), LONGEST_WAIT_S)
