"""Running the command line in this process, as a shell would see it."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import Struct

from rillrec.__main__ import main


class Ran(Struct):
    """What a command left: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def free_port() -> int:
    """A TCP port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run ``rillrec`` with arguments, in a directory and an environment of its own."""
    for variable in list(os.environ):
        if variable.startswith("RILLREC_"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    handlers, level = list(logging.root.handlers), logging.root.level

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["rillrec", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
        captured = capsys.readouterr()
        return Ran(ended.value.code or 0, captured.out, captured.err)

    return run
