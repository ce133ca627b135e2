"""A Kafka broker of one's own: one node, started here and ended with us."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from rillrec.broker_answers import wait_for_answer
from rillrec.broker_config import HOST, Listeners, server_properties
from rillrec.broker_format import format_once, telling
from rillrec.broker_runtime import Runtime, runtime_for
from rillrec.broker_tls import Certificate
from rillrec.parent import die_with_parent
from rillrec.ports import is_free, quiet_ports
from schemas.errors import ProcessFailed

TAKEOVER_S = 10.0
HEAP_MB = 512
_BRIEF = ("-XX:TieredStopAtLevel=1",)
"""Compile once, and be done: on two cores the optimizing compiler takes half a core for minutes."""
_LOGS = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
)


class Broker:
    """Kafka in KRaft mode, broker and controller in one process, listening on 127.0.0.1 alone.

    What it was sent is in ``directory``, and there again after ``kill`` and ``start``; its ports
    stay the same. It dies with the process that started it: start it from a thread that lives as
    long as it is needed, as Linux counts the end of that thread as the end of the parent.

    Parameters
    ----------
    directory
        Made where it is missing. One broker at a time can use it.
    port
        To listen on; 0 takes a free one.
    users
        Names to passwords: opens another port, ``sasl_address``, for SASL_PLAINTEXT (PLAIN).
    tls
        Opens another port, ``tls_address``, for TLS with a certificate of its own making.
    settings
        More lines of ``server.properties``, by key.
    jars
        Directory of Kafka's jars; ``None`` fetches them once.
    wait_s
        How long to wait for an answer.
    tell
        Is handed what takes a while, in words.

    Examples
    --------
    >>> Broker(Path("/tmp/b"), port=9092).address
    '127.0.0.1:9092'
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        users: Mapping[str, str] | None = None,
        tls: bool = False,
        settings: Mapping[str, str] | None = None,
        jars: Path | None = None,
        wait_s: float = 60.0,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.directory = directory.absolute()
        self.log = self.directory / "broker.log"
        free = quiet_ports(4)
        self.listeners = Listeners(
            plain=port or free[0],
            controller=free[1],
            sasl=free[2] if users else 0,
            tls=free[3] if tls else 0,
        )
        self.certificate = Certificate(self.directory) if tls else None
        self._users, self._settings = dict(users or {}), dict(settings or {})
        self._jars, self._wait_s, self._tell = jars, wait_s, tell
        self._runtime: Runtime | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._logged = 0

    @property
    def address(self) -> str:
        """What ``kafka.brokers`` is set to: the address that is open to all."""
        return f"{HOST}:{self.listeners.plain}"

    @property
    def sasl_address(self) -> str:
        """The address of the listener that asks for credentials, where there is one."""
        return f"{HOST}:{self.listeners.sasl}"

    @property
    def tls_address(self) -> str:
        """The address of the listener that speaks TLS, where there is one."""
        return f"{HOST}:{self.listeners.tls}"

    @property
    def pid(self) -> int | None:
        """The broker's process id, ``None`` where it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        """Whether the broker was started here, and has not ended since."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Broker:
        """Start the broker, and wait until it answers and leads all its partitions.

        Raises
        ------
        ProcessFailed
            Nothing here can run a broker, a port or the directory is taken, or it ends early or
            does not answer within ``wait_s``; the message tells its last words, and names its log.
        """
        lock = self._lock()
        try:
            self._check_ports()
            runtime = runtime_for(self.directory, own_jars=self._jars, tell=self._tell)
            self._prepare(runtime)
            self._run(runtime, lock)
        finally:
            os.close(lock)
        try:
            wait_for_answer(self.address, self._wait_s, self.check_runs)
        except BaseException:
            self.kill()
            raise
        return self

    def _lock(self) -> int:
        """Return a descriptor that holds the directory, for as long as the broker itself lives.

        One whose starter has just been killed gets a moment to end.
        """
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            lock = os.open(self.directory / "broker.lock", flags, 0o600)
        except OSError as error:
            raise ProcessFailed(
                f"{self.directory} can't hold a broker ({error.strerror}): choose another directory"
            ) from error
        deadline = time.monotonic() + TAKEOVER_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(lock)
                    raise ProcessFailed(
                        f"a broker runs in {self.directory} already: stop it, or choose another "
                        "directory"
                    ) from None
            time.sleep(0.05)

    def _check_ports(self) -> None:
        """Look now: otherwise whoever listens there would be taken for this broker."""
        for name, (port, _) in self.listeners.protocols().items():
            if not is_free(HOST, port):
                raise ProcessFailed(
                    f"port {port} is taken, which the broker needs for {name}: stop what listens "
                    "there, or choose another"
                )

    def _prepare(self, runtime: Runtime) -> None:
        """Write the configuration: ports may have changed since the directory was last used."""
        keystore = self.certificate.keystore() if self.certificate else None
        text = server_properties(
            self.directory,
            self.listeners,
            users=self._users,
            keystore=keystore,
            more=self._settings,
        )
        self._config.write_text(text, encoding="utf-8")
        self._config.chmod(0o600)  # it may hold a password
        format_once(self.directory, self._config, runtime)

    @property
    def _config(self) -> Path:
        return self.directory / "server.properties"

    def _run(self, runtime: Runtime, lock: int) -> None:
        options = (f"-Xmx{HEAP_MB}m", "-XX:+UseSerialGC", *_BRIEF, *_LOGS)
        command = runtime.java(*options, "kafka.Kafka", str(self._config))
        with self.log.open("ab") as log:
            self._logged = log.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
                start_new_session=True,  # Ctrl-C is for us: we end it in order
            )
        self._runtime = runtime

    def check_runs(self) -> None:
        """Raise ``ProcessFailed`` with its last words where it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise ProcessFailed(
                f"the broker ended with code {self._process.returncode}: {self._last_words()}"
            )

    def _last_words(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._logged)
            return f"{telling(log.read())}; see {self.log}"

    def stop(self, *, wait_s: float = 30.0) -> None:
        """End the broker in order. Does nothing where it does not run."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End the broker at once, as ``kill -9`` does. What it acknowledged is kept."""
        process, self._process = self._process, None
        if process is None:
            return
        if self._runtime:
            self._runtime.kill()
        process.kill()
        process.wait()

    def restart(self) -> None:
        """End the broker in order and start it again, on the same ports."""
        self.stop()
        self.start()

    def __enter__(self) -> Broker:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
