"""Commands as real processes: what they print, whom they start, and whether those still live."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

TIMEOUT_S = 240.0


class Rillrec:
    """A command that runs, what it has printed so far, and whom it has started."""

    def __init__(
        self, directory: Path, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("RILLREC_")}
        self.output = directory / "output.txt"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rillrec", *arguments],
                cwd=directory,
                env={**kept, **(environ or {})} | {"HOME": str(directory), "PYTHONUNBUFFERED": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match of a pattern in what it prints."""
        deadline = time.monotonic() + TIMEOUT_S
        while not (found := re.search(pattern, self.text)):
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.05)
        return found

    def ended(self) -> int:
        return self.process.wait(TIMEOUT_S)


def descendants(pid: int) -> list[int]:
    """Return the processes below one, by what the kernel says."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in task.read_text().split()]
    return children + [below for child in children for below in descendants(child)]


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_until(what: Callable[[], object], *, timeout_s: float = TIMEOUT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)
