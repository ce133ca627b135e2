"""A directory becomes that of a broker; and what Java says when something is wrong."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

from rillrec.broker_runtime import Runtime
from schemas.errors import ProcessFailed

FORMAT_S = 120.0


def format_once(directory: Path, config: Path, runtime: Runtime) -> None:
    """Format a broker's directory, where that was not done before.

    Raises
    ------
    ProcessFailed
        Kafka refuses to; the message holds its last words.
    """
    if (directory / "log" / "meta.properties").exists():
        return
    tool = ("kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(config))
    done = subprocess.run(
        runtime.java(*tool), stdin=subprocess.DEVNULL, capture_output=True, timeout=FORMAT_S
    )
    if done.returncode:
        said = telling(done.stdout + done.stderr)
        raise ProcessFailed(f"{directory} can't be made a broker's: {said}")


def _cluster_id() -> str:
    """Return 22 characters of base64 that no tool takes for an option."""
    return "k" + base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")[1:]


def telling(said: bytes) -> str:
    """Return what Java said, without the traces."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines()]
    telling = [line for line in lines if line and not line.startswith(("at ", "... "))]
    if any("UnsupportedClassVersionError" in line for line in telling):
        return "this Java is too old: install Java 17 or newer"
    return " / ".join(telling[-3:])[:1_000] or "it said nothing"
