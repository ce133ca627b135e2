"""Starting the process of a measurement, and hearing from it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec

from rillrec.bench.measured import Assignment
from rillrec.bench.meter import Measurement
from schemas.errors import ProcessFailed

READY = "ready\n"


class Measuring:
    """A process that measures.

    Parameters
    ----------
    environ
        Its whole environment: what it is to measure stands there, as settings.

    Raises
    ------
    ProcessFailed
        It ended before it was ready.
    """

    def __init__(self, assignment: Assignment, environ: Mapping[str, str]) -> None:
        self._phase = assignment.phase
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "rillrec.bench.measured",
                msgspec.json.encode(assignment).decode(),
            ],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._out = self._process.stdout

    def wait_until_ready(self) -> None:
        """Return once everything is loaded and warm, and it begins to read."""
        if self._out.readline() != READY:
            self._fail()

    def result(self) -> Measurement:
        """Return what was measured, once it has been.

        Raises
        ------
        ProcessFailed
            It ended without a result.
        """
        said = self._out.read()
        if self._process.wait() != 0 or not said.strip():
            self._fail()
        return msgspec.json.decode(said.splitlines()[-1], type=Measurement)

    def _fail(self) -> None:
        code = self._process.wait()
        raise ProcessFailed(f"measuring {self._phase!r} ended with code {code}: it says why above")

    def end(self) -> None:
        """Kill it where it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._out.close()


@contextmanager
def measuring(assignment: Assignment, environ: Mapping[str, str]) -> Iterator[Measuring]:
    """Give a measurement that is ready, and leave no process behind."""
    one = Measuring(assignment, environ)
    try:
        one.wait_until_ready()
        yield one
    finally:
        one.end()
