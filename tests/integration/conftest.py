"""Commands that are started for one test, and are gone after it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.integration.processes import Rillrec, alive, descendants

Start = Callable[..., Rillrec]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Rillrec] = []

    def start(*arguments: str, environ: Mapping[str, str] | None = None) -> Rillrec:
        directory = tmp_path / f"run-{len(started)}"
        directory.mkdir()
        started.append(Rillrec(directory, *arguments, environ=environ))
        return started[-1]

    yield start
    for one in started:
        for pid in [*descendants(one.process.pid), one.process.pid]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        one.process.wait()
