"""What the kernel knows about processes: processor time and memory."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

STATUS = Path("/proc/self/status")
_USER, _SYSTEM = 11, 12  # places in /proc/PID/stat behind the name, which may hold anything


def cpu_s_of(pid: int) -> float | None:
    """Return the processor seconds that a process has taken, ``None`` where nobody tells."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / os.sysconf("SC_CLK_TCK")


def cpu_s_of_all(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the processor seconds of processes by name; those that nobody tells are left out."""
    found = {name: cpu_s_of(pid) for name, pid in pids.items()}
    return {name: seconds for name, seconds in found.items() if seconds is not None}


def peak_memory_mb() -> float:
    """Return the most memory that this process has held, in megabytes (10^6 bytes)."""
    # Not getrusage on Linux: a child inherits there what its parent held when it started it.
    try:
        status = STATUS.read_text()
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6
    [kilobytes] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(kilobytes) * 1024 / 1e6


def machine() -> str:
    """Return what this machine is, for reports: processor, cores, system."""
    model = platform.processor() or platform.machine()
    with suppress(OSError):
        told = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
        model = next((value.strip() for name, _, value in told if "model name" in name), model)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores, {platform.system()}, Python {platform.python_version()}"
