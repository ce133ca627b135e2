"""What a flow costs: one topic read raw, read and decoded, and read, learnt and published."""

from __future__ import annotations

import os
import threading
from typing import Any

from msgspec import Struct

from rillrec.bench.assigning import measuring
from rillrec.bench.figures import cpu_us_per_event
from rillrec.bench.measured import Assignment, Phase
from rillrec.bench.meter import Measurement
from rillrec.bench.prepared import Keyed
from rillrec.bench.proc import machine
from rillrec.bench.testbed import Testbed
from rillrec.bench.user_bytes import bytes_per_user
from rillrec.sender import Sender
from rillrec.supervisor import Tell


class Plan(Struct, frozen=True, kw_only=True):
    """How it is measured.

    Parameters
    ----------
    rate
        Events a second that are sent while the full flow runs; 0 sends all before anything is
        measured.
    """

    workers: int = 1
    rate: float = 0.0


class FlowBench:
    """Three measurements of the same events, each in a process of its own.

    Parameters
    ----------
    bed
        A broker with an empty topic, and an empty Redis.
    """

    def __init__(self, bed: Testbed, events: list[Keyed], plan: Plan, *, tell: Tell) -> None:
        self._bed, self._events, self._plan, self._tell = bed, events, plan, tell

    def run(self) -> dict[str, Any]:
        """Measure, and return the report.

        Raises
        ------
        ProcessFailed
            A measurement failed; it has said why on stderr.
        BrokerError
            The broker did not take the events.
        """
        if self._plan.rate:
            full = self._full_while_fed()
            consume, decode = self._measured("consume"), self._measured("decode")
        else:
            self._feed(0.0)
            # What reads first finds a broker that has read nothing yet, and compiled little.
            self._measured("consume", told=False)
            consume, decode = self._measured("consume"), self._measured("decode")
            full = self._measured("full")
        return self._report(consume, decode, full)

    def _full_while_fed(self) -> Measurement:
        failures: list[BaseException] = []

        def feed() -> None:
            try:
                self._feed(self._plan.rate)
            except Exception as error:  # raised again by the one who started this thread
                failures.append(error)

        thread = threading.Thread(target=feed, name="feed", daemon=True)
        with measuring(self._assignment("full"), self._bed.environ) as one:
            thread.start()
            full = one.result()
        thread.join()
        if failures:
            raise failures[0]
        return self._told("full", full)

    def _feed(self, rate: float) -> None:
        self._tell(f"sending {len(self._events):,} events to the broker")
        kafka = self._bed.settings.kafka
        sender, topic = Sender(kafka, rate=rate), kafka.interactions_topic
        try:
            for user_id, payload in self._events:
                sender.send(topic, user_id, payload)
            sender.flush()
        finally:
            sender.close()

    def _measured(self, phase: Phase, *, told: bool = True) -> Measurement:
        with measuring(self._assignment(phase), self._bed.environ) as one:
            measured = one.result()
        return self._told(phase, measured) if told else measured

    def _told(self, phase: Phase, measured: Measurement) -> Measurement:
        self._tell(
            f"{phase}: {measured.events:,} events in {measured.seconds:.2f} s, "
            f"{measured.events_per_s:,.0f}/s"
        )
        return measured

    def _assignment(self, phase: Phase) -> Assignment:
        return Assignment(
            phase=phase,
            events=len(self._events),
            partitions=self._bed.partitions,
            workers=self._plan.workers,
            beside=self._bed.pids,
            parent=os.getpid(),
        )

    def _report(
        self, consume: Measurement, decode: Measurement, full: Measurement
    ) -> dict[str, Any]:
        return {
            "consume_eps": round(consume.events_per_s, 1),
            "decode_eps": round(decode.events_per_s, 1),
            "full_eps": round(full.events_per_s, 1),
            "full_over_decode": round(full.events_per_s / decode.events_per_s, 4),
            "cpu_us_per_event": cpu_us_per_event(full),
            **bytes_per_user(self._bed.redis_url, self._bed.settings.model.name),
            "rss_mb": round(full.peak_mb, 1),
            "cpu_us_per_event_decode": cpu_us_per_event(decode),
            "cpu_us_per_event_consume": cpu_us_per_event(consume),
            "seconds": round(full.seconds, 2),
            "events": full.events,
            "counts": full.counts,
            "workers": self._plan.workers,
            "partitions": self._bed.partitions,
            "rate": self._plan.rate,
            "machine": machine(),
        }
