"""What is measured, and what is left out of it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from rillrec.bench.meter import Meter
from rillrec.bench.proc import cpu_s_of, machine, peak_memory_mb


def _work(seconds: float) -> None:
    until_s = time.thread_time() + seconds
    while time.thread_time() < until_s:
        pass


def test_what_came_before_the_first_event_is_left_out() -> None:
    meter = Meter(2)
    _work(0.05)
    meter.arrived(2)
    meter.done()
    measured = meter.measurement()
    assert measured.process_s < 0.05
    assert measured.events == 2


def test_the_measurement_ends_when_something_was_done_last() -> None:
    meter = Meter(2)
    meter.worked()
    meter.arrived(1)
    _work(0.02)
    meter.done()
    _work(0.05)
    measured = meter.measurement()
    assert 0.02 <= measured.workers_s < 0.05
    assert measured.seconds >= 0.02


def test_all_have_arrived_when_as_many_came_as_were_announced() -> None:
    meter = Meter(3)
    meter.arrived(2)
    assert not meter.all_arrived
    meter.arrived(1)
    assert meter.all_arrived


def test_workers_are_told_from_other_threads() -> None:
    meter = Meter(1)
    meter.worked()
    meter.arrived(1)
    beside = threading.Thread(target=_work, args=(0.05,))
    beside.start()
    beside.join()
    meter.done()
    measured = meter.measurement()
    assert measured.process_s - measured.workers_s >= 0.05


def test_reading_is_a_part_of_the_workers_time() -> None:
    meter = Meter(1)
    meter.worked()
    with meter.reading():
        _work(0.02)
    meter.arrived(1)
    meter.done()
    measured = meter.measurement()
    assert 0.02 <= measured.reading_s <= measured.workers_s


def test_other_processes_are_measured_beside_it_and_missing_ones_left_out(tmp_path: Path) -> None:
    meter = Meter(1, beside={"self": os.getpid(), "gone": 2**22 + 1})
    meter.arrived(1)
    _work(0.05)
    meter.done()
    assert list(meter.measurement().beside_s) == ["self"]
    assert meter.measurement().beside_s["self"] >= 0.03  # the kernel counts by the hundredth


def test_nothing_measured_is_no_rate() -> None:
    assert Meter(1).measurement().events_per_s == 0.0


def test_the_kernel_tells_processor_time_and_memory() -> None:
    own = cpu_s_of(os.getpid())
    assert own is not None
    assert own > 0
    assert 10 < peak_memory_mb() < 100_000


def test_memory_is_told_without_proc_too(monkeypatch: pytest.MonkeyPatch) -> None:
    before = peak_memory_mb()
    monkeypatch.setattr("rillrec.bench.proc.STATUS", Path("/nowhere"))
    assert peak_memory_mb() >= 0.9 * before


def test_the_machine_is_told_with_its_cores() -> None:
    assert "cores" in machine()
