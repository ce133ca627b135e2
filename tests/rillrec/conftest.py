"""Running the command line in this process, as a shell would see it."""

from __future__ import annotations

import logging
import os
import socket
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import Struct

from rillrec.__main__ import main
from schemas.settings_kafka import TOPICS, KafkaSettings
from tests.kafka import Kafka


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


@pytest.fixture
def kafka_settings(run: Run, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    """Settings of Kafka in the environment, as ``run`` gets them: its topics are not there yet."""
    unique = uuid.uuid4().hex[:8]
    named = {name: f"{name.removesuffix('_topic')}-{unique}" for name in TOPICS}
    settings = KafkaSettings(brokers=kafka.brokers, group=f"group-{unique}", **named)
    for name in settings.model_fields_set:
        monkeypatch.setenv(f"RILLREC_KAFKA__{name.upper()}", getattr(settings, name))
    return settings
