"""Every metric that Rillrec exposes, declared once: name, kind, unit, labels, meaning.

Code makes its instruments from here, and so do alerts and dashboards. Labels take the values that
are listed, and no others: never a user or an item.

Rules: names begin with ``rillrec_`` and end with their unit, counters with ``_total`` behind it.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from schemas.events import EVENT_TYPES

SOURCES = ("popularity", "rules", "encoder", "session", "content")
STEPS = ("decode", "shard", "sessionise", "persist", "learn", "publish")
METHODS = (
    *("Recommend", "Score", "SimilarItems", "Explain", "Diagnose"),
    *("Track", "Forget", "GetModelInfo"),
)
CODES = (
    "OK",
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "FAILED_PRECONDITION",
    "INTERNAL",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
    "UNKNOWN",
)
REASONS = ("malformed", "field", "time", "size", "late", "kind")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metric(Struct, frozen=True, kw_only=True):
    """One metric.

    Parameters
    ----------
    labels
        Label to the values that it may take; none are listed where the brokers say what there is.
    buckets
        Upper bounds of a histogram's buckets, in its unit.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    meaning: str
    labels: dict[str, tuple[str, ...]] = {}
    buckets: tuple[float, ...] = ()


# ---- the flow -------------------------------------------------------------------------------

EVENTS = Metric(
    name="rillrec_flow_events_total",
    kind="counter",
    unit="events",
    labels={
        "type": (*EVENT_TYPES, "unknown"),
        "verdict": ("accepted", "duplicate", "late", "refused", "forgotten"),
    },
    meaning="Events that the flow decided on. Replayed ones that were contained count again.",
)
DEAD_LETTERS = Metric(
    name="rillrec_flow_dead_letters_total",
    kind="counter",
    unit="letters",
    labels={"reason": REASONS},
    meaning="Events written to the dead letters, by why.",
)
STEP_SECONDS = Metric(
    name="rillrec_flow_step_seconds",
    kind="histogram",
    unit="seconds",
    labels={"step": STEPS},
    buckets=SECONDS,
    meaning="Time that a step takes for one batch.",
)
FLOW_LAG = Metric(
    name="rillrec_flow_lag_seconds",
    kind="gauge",
    unit="seconds",
    meaning="Age of the newest event read from the source, by the time it was appended.",
)
CONSUMER_LAG = Metric(
    name="rillrec_flow_consumer_lag_events",
    kind="gauge",
    unit="events",
    labels={"topic": (), "partition": ()},
    meaning="Offsets of a Kafka partition that this flow has yet to read: about as many events.",
)
COMMIT_FAILURES = Metric(
    name="rillrec_flow_failed_commits_total",
    kind="counter",
    unit="commits",
    meaning="Offsets that could not be committed to the consumer group. The flow goes on: they are "
    "for lag tools alone.",
)
WAITING = Metric(
    name="rillrec_flow_waiting_seconds",
    kind="gauge",
    unit="seconds",
    labels={"whom": ("store", "broker", "dead_letters")},
    meaning="How long the flow has waited for somebody who does not answer; 0 while all do. "
    "dead_letters: for their topic.",
)
INCIDENTS = Metric(
    name="rillrec_flow_incidents_total",
    kind="counter",
    unit="incidents",
    labels={
        "kind": (
            "store_away",
            "store_rolled_back",
            "broker_away",
            "partitions_changed",
            "offsets_deleted",
            "model_switched",
            "learner_behind",
            "flow_failed",
        )
    },
    meaning="What people have to know of a flow. store_away, broker_away: for longer than 10 s; "
    "offsets_deleted: by retention, before they were read.",
)
DROPPED_INCIDENTS = Metric(
    name="rillrec_flow_dropped_incidents_total",
    kind="counter",
    unit="incidents",
    meaning="Incidents that did not reach their topic: in the log, and counted, all the same.",
)
FEEDBACK = Metric(
    name="rillrec_flow_feedback_total",
    kind="counter",
    unit="feedback",
    labels={
        "outcome": (
            "joined_by_request",
            "joined_by_item",
            "late",
            "orphaned",
            "foreign",
            "duplicate",
            "closed_answered",
            "closed_unanswered",
        )
    },
    meaning="What became of slates and their answers. late: slates and answers after the window; "
    "orphaned: answers whose slate never came; foreign: answers with an item that was not shown; "
    "duplicate: slates that came twice.",
)
LABELS = Metric(
    name="rillrec_flow_labels_total",
    kind="counter",
    unit="labels",
    labels={"outcome": ("learnt", "alone", "unfit")},
    meaning="Labelled slates that the learner absorbed. alone: nothing was shown beside it, so "
    "there is nothing to compare; unfit: served without features, or with those of another ranker.",
)
EXAMPLES = Metric(
    name="rillrec_flow_examples_total",
    kind="counter",
    unit="examples",
    meaning="Examples handed to the learner.",
)
PUBLISHES = Metric(
    name="rillrec_flow_publishes_total",
    kind="counter",
    unit="publishes",
    labels={"form": ("log", "base")},
    meaning="Publishes written to the model's log, and base snapshots.",
)
USER_READS = Metric(
    name="rillrec_flow_user_reads_total",
    kind="counter",
    unit="reads",
    labels={"outcome": ("cached", "stored", "new")},
    meaning="Where the session step found a user's state.",
)
MODEL_VERSION = Metric(
    name="rillrec_flow_model_version",
    kind="gauge",
    unit="version",
    meaning="Version that the flow published last.",
)
MODEL_ITEMS = Metric(
    name="rillrec_flow_model_items",
    kind="gauge",
    unit="items",
    meaning="Items that have a row in the learner's model.",
)

LISTS_SKIPPED = Metric(
    name="rillrec_flow_skipped_lists_total",
    kind="counter",
    unit="lists",
    meaning="Lists that the ranker was not taught, because the flow was seconds behind its source.",
)
REBUILDS = Metric(
    name="rillrec_flow_rebuilds_total",
    kind="counter",
    unit="rebuilds",
    labels={"reason": ("rolled_back", "outdated")},
    meaning="Times that the flow was built anew in its process: the store had lost writes, or "
    "the partitions or the model had changed.",
)

# ---- the scorer -----------------------------------------------------------------------------

REQUESTS = Metric(
    name="rillrec_scorer_requests_total",
    kind="counter",
    unit="requests",
    labels={"method": METHODS, "code": CODES},
    meaning="Calls answered, by gRPC status.",
)
REQUEST_SECONDS = Metric(
    name="rillrec_scorer_request_seconds",
    kind="histogram",
    unit="seconds",
    labels={"method": METHODS},
    buckets=SECONDS,
    meaning="Time from a call's arrival to its answer, waiting for `after` included.",
)
SOURCE_CANDIDATES = Metric(
    name="rillrec_scorer_source_items_total",
    kind="counter",
    unit="items",
    labels={"source": SOURCES},
    meaning="Served items that a source had proposed; an item may have several.",
)
DEGRADED = Metric(
    name="rillrec_scorer_degraded_slates_total",
    kind="counter",
    unit="slates",
    labels={"stage": ("stale_model", "no_user_state", "trending", "last_good", "no_model")},
    meaning="Slates answered by a lesser stage, because something was missing.",
)
TRACKED = Metric(
    name="rillrec_scorer_tracked_events_total",
    kind="counter",
    unit="events",
    labels={"type": (*EVENT_TYPES, "unknown"), "verdict": ("well_formed", "refused")},
    meaning="Events that Track appended to the event log.",
)
AFTER_SECONDS = Metric(
    name="rillrec_scorer_after_seconds",
    kind="histogram",
    unit="seconds",
    labels={"outcome": ("absorbed", "deadline")},
    buckets=SECONDS,
    meaning="Time that requests with `after` waited for the user's state.",
)
APPEND_SECONDS = Metric(
    name="rillrec_scorer_append_seconds",
    kind="histogram",
    unit="seconds",
    labels={"outcome": ("stored", "failed")},
    buckets=SECONDS,
    meaning="Time until the event log had acknowledged all events of a call, or the call failed.",
)
UNACKNOWLEDGED = Metric(
    name="rillrec_scorer_unacknowledged_events",
    kind="gauge",
    unit="events",
    meaning="Events handed to the event log that it has not acknowledged yet.",
)
IMPRESSIONS = Metric(
    name="rillrec_scorer_impressions_total",
    kind="counter",
    unit="impressions",
    labels={"outcome": ("sent", "dropped", "failed")},
    meaning="Slates that were served, by what became of their impression. sent: stored; dropped: "
    "too many waited; failed: the event log did not acknowledge them.",
)
QUEUED_IMPRESSIONS = Metric(
    name="rillrec_scorer_queued_impressions",
    kind="gauge",
    unit="impressions",
    meaning="Impressions that wait to be sent.",
)
REPLICA_VERSION = Metric(
    name="rillrec_scorer_model_version",
    kind="gauge",
    unit="version",
    meaning="Model version that this replica serves.",
)
REPLICA_AGE = Metric(
    name="rillrec_scorer_model_age_seconds",
    kind="gauge",
    unit="seconds",
    meaning="Time since the last publish reached this replica.",
)
REPLICA_RELOADS = Metric(
    name="rillrec_scorer_reloads_total",
    kind="counter",
    unit="reloads",
    meaning="Times that a hole in the log made this replica load a base snapshot again.",
)
APPLY_SECONDS = Metric(
    name="rillrec_scorer_apply_seconds",
    kind="histogram",
    unit="seconds",
    buckets=SECONDS,
    meaning="Time that requests stood still while one publish was applied.",
)
SCORER_ITEMS = Metric(
    name="rillrec_scorer_model_items",
    kind="gauge",
    unit="items",
    meaning="Items that have a row in the model served.",
)

METRICS: tuple[Metric, ...] = (
    EVENTS,
    DEAD_LETTERS,
    STEP_SECONDS,
    FLOW_LAG,
    CONSUMER_LAG,
    COMMIT_FAILURES,
    WAITING,
    INCIDENTS,
    DROPPED_INCIDENTS,
    FEEDBACK,
    LABELS,
    EXAMPLES,
    PUBLISHES,
    USER_READS,
    MODEL_VERSION,
    MODEL_ITEMS,
    LISTS_SKIPPED,
    REBUILDS,
    REQUESTS,
    REQUEST_SECONDS,
    SOURCE_CANDIDATES,
    DEGRADED,
    TRACKED,
    AFTER_SECONDS,
    APPEND_SECONDS,
    UNACKNOWLEDGED,
    IMPRESSIONS,
    QUEUED_IMPRESSIONS,
    REPLICA_VERSION,
    REPLICA_AGE,
    REPLICA_RELOADS,
    APPLY_SECONDS,
    SCORER_ITEMS,
)
