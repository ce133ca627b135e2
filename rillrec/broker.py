"""A Kafka broker of one's own: Apache Kafka in KRaft mode, one node, started from its jars."""

from __future__ import annotations

import base64
import contextlib
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType

from rillrec.kafka_jars import jars, java
from rillrec.parent import die_with_parent
from schemas.errors import ProcessFailed

_MEMORY = "-Xmx512m"


class Broker:
    """A broker that keeps its log in a directory and dies with the process that started it.

    Parameters
    ----------
    directory
        Made where it is missing. One broker at a time can use it.
    port
        Of 127.0.0.1, where clients connect; 0 takes a free one, and keeps it over restarts.
    users
        Names to passwords: opens another port, ``sasl_address``, for SASL_PLAINTEXT (PLAIN).
    settings
        More lines of ``server.properties``, by key.
    wait_s
        How long to wait until it answers.
    tell
        Is handed what takes long, in words.

    Raises
    ------
    ProcessFailed
        Java is not installed, the jars can't be fetched, or the broker ends early or never answers.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        users: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        wait_s: float = 60.0,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.directory = directory.absolute()
        self.port = port or free_port()
        self._controller_port = free_port()
        self._sasl_port = free_port() if users else 0
        self._users, self._settings = dict(users or {}), dict(settings or {})
        self._wait_s, self._tell = wait_s, tell
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What ``kafka.brokers`` is set to."""
        return f"127.0.0.1:{self.port}"

    @property
    def sasl_address(self) -> str:
        """The address at which users must say who they are."""
        return f"127.0.0.1:{self._sasl_port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id, ``None`` where it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        """Whether the broker was started here, and has not ended since."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Broker:
        """Start the broker, and wait until it answers. Its log is formatted the first time."""
        runtime = java()
        if runtime is None:
            raise ProcessFailed(
                "a Kafka broker needs Java 17 or newer, and there is none: install it (Debian: "
                "default-jre-headless), or name a broker of your own in kafka.brokers"
            )
        if _listens(self.port):
            raise ProcessFailed(
                f"something listens on {self.address} already: stop it, or choose another port"
            )
        command = [runtime, _MEMORY, "-XX:+UseSerialGC", "-cp", f"{jars(self._tell)}/*"]
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        properties = self.directory / "server.properties"
        properties.write_text("".join(f"{k}={v}\n" for k, v in self._properties().items()))
        if not (self.directory / "data" / "meta.properties").exists():
            self._format(command, properties)
        options = [
            f"-Dorg.slf4j.simpleLogger.logFile={self._log}",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
        ]
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [*command[:1], *options, *command[1:], "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
                start_new_session=True,  # Ctrl-C is for us: we end it in order
            )
        try:
            self._wait_for_answer()
        except BaseException:
            self.kill()
            raise
        return self

    @property
    def _log(self) -> Path:
        return self.directory / "broker.log"

    @property
    def _output(self) -> Path:
        return self.directory / "output.log"

    def _properties(self) -> dict[str, str]:
        listeners = {"PLAINTEXT": self.port, "CONTROLLER": self._controller_port}
        lines = {
            "node.id": "1",
            "process.roles": "broker,controller",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.directory / "data"),
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "auto.create.topics.enable": "false",
            # One that was killed is let in again only when it is missed: by default after 9 s.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
        }
        protocols = ["CONTROLLER:PLAINTEXT", "PLAINTEXT:PLAINTEXT"]
        if self._users:
            listeners["SASL"] = self._sasl_port
            protocols.append("SASL:SASL_PLAINTEXT")
            known = " ".join(f'user_{name}="{word}"' for name, word in self._users.items())
            lines["sasl.enabled.mechanisms"] = "PLAIN"
            lines["listener.name.sasl.plain.sasl.jaas.config"] = (
                f"org.apache.kafka.common.security.plain.PlainLoginModule required {known};"
            )
        at = {name: f"{name}://127.0.0.1:{port}" for name, port in listeners.items()}
        lines["listeners"] = ",".join(at.values())
        lines["advertised.listeners"] = ",".join(v for k, v in at.items() if k != "CONTROLLER")
        lines["listener.security.protocol.map"] = ",".join(protocols)
        return lines | self._settings

    def _format(self, command: list[str], properties: Path) -> None:
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if cluster.startswith("-"):  # which the tool would take for an option
            cluster = "A" + cluster[1:]
        tool = [*command, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
        done = subprocess.run(
            tool,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            raise ProcessFailed(
                f"{self.directory} can't hold a broker's log: {_last_words(done.stdout)}"
            )

    def _wait_for_answer(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + self._wait_s
        while not _answers(self.port):
            if self._process.poll() is not None:
                raise ProcessFailed(
                    f"the broker ended with code {self._process.returncode} in {self.directory}: "
                    f"{self._last_words()}"
                )
            if time.monotonic() > deadline:
                raise ProcessFailed(
                    f"the broker did not answer within {self._wait_s:g} s; see {self._log}"
                )
            time.sleep(0.05)

    def _last_words(self) -> str:
        for file in (self._log, self._output):
            with contextlib.suppress(OSError):
                if words := _last_words(file.read_text(errors="replace")):
                    return words
        return f"it wrote nothing to {self._log}"

    def kill(self) -> None:
        """End the broker at once, as a crash does."""
        self._end(signal.SIGKILL, wait_s=10.0)

    def stop(self, *, wait_s: float = 20.0) -> None:
        """End the broker in order. Does nothing where it does not run."""
        self._end(signal.SIGTERM, wait_s=wait_s)

    def _end(self, number: int, *, wait_s: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Broker:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _last_words(text: str) -> str:
    """Return the last lines of a text, those of a Java trace aside."""
    lines = [line.strip() for line in text.strip().splitlines() if not line.startswith("\tat ")]
    return " / ".join(lines[-3:])


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(0.2)
        return not probe.connect_ex(("127.0.0.1", port))


def _answers(port: int) -> bool:
    """Return whether a broker gives its metadata at a port."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    if not _listens(port):
        return False
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=2.0).brokers)
    except KafkaException:
        return False
