"""Child processes that are started, watched, restarted, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING

from rillrec.exits import SETTINGS, USAGE
from schemas.errors import ProcessFailed
from schemas.settings_environ import CONFIG_VARIABLE, PREFIX, environ_of

if TYPE_CHECKING:
    from schemas.settings import Settings

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STEADY_S = 60.0
KEPT_LINES = 20

Tell = Callable[[str], None]


class Child:
    """One process of Rillrec: how it is started, and what it said last.

    Parameters
    ----------
    name
        What people know it by: ``flow``, ``scorer``.
    argv
        What to run. It is given ``--parent PID`` too, by which it ends with this process.
    environ
        Its whole environment.
    tell_line
        Is handed each line that it writes; ``None`` keeps the last 20 only.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        tell_line: Tell | None = None,
    ) -> None:
        self.name = name
        self.restarts = 0
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._argv = list(argv)
        self._environ = dict(environ)
        self._tell_line = tell_line
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._asked = False
        self.started_s = 0.0

    @property
    def pid(self) -> int | None:
        """The process id, ``None`` where it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """The exit code of a child that has ended, negative where a signal ended it."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it. It ends when this process does, however that ends."""
        self._asked = False
        self._process = subprocess.Popen(
            [*self._argv, "--parent", str(os.getpid())],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is for the supervisor, which ends all in order
        )
        self.started_s = time.monotonic()
        assert self._process.stdout is not None
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), daemon=True, name=f"{self.name}-lines"
        )
        self._reader.start()

    def _read(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                self.last_lines.append(line.rstrip())
                if self._tell_line:
                    self._tell_line(line.rstrip())

    def ask_to_end(self) -> None:
        """Have it end in order; does not wait. Asking again would not be in order any more."""
        if self._process is not None and self._process.poll() is None and not self._asked:
            self._process.send_signal(signal.SIGTERM)
            self._asked = True

    def stop(self, *, wait_s: float) -> None:
        """Ask it to end, and end it where it has not after ``wait_s``."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self.ask_to_end()
            try:
                self._process.wait(wait_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._reader:
            self._reader.join(1.0)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Supervisor:
    """Keeps children running: one that crashes is started again, after a wait that doubles.

    Parameters
    ----------
    tell
        Is handed what happens, in words.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._children: list[Child] = []
        self._due_s: dict[str, float] = {}
        self._waits_s: dict[str, float] = {}

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the children that run, by name."""
        return {child.name: child.pid for child in self._children if child.pid is not None}

    def start(self, child: Child) -> None:
        """Start a child, and watch it from now on."""
        child.start()
        self._children.append(child)
        self._waits_s[child.name] = FIRST_WAIT_S

    def watch(self) -> None:
        """Look after the children once: call it a few times a second.

        Raises
        ------
        ProcessFailed
            A child refused its settings or its command line: starting it again won't help.
        """
        now_s = time.monotonic()
        for child in self._children:
            if child.exit_code is None:
                if now_s - child.started_s > STEADY_S:
                    self._waits_s[child.name] = FIRST_WAIT_S
            elif child.name not in self._due_s:
                self._plan_restart(child, now_s)
            elif now_s >= self._due_s[child.name]:
                del self._due_s[child.name]
                child.restarts += 1
                child.start()

    def _plan_restart(self, child: Child, now_s: float) -> None:
        code = child.exit_code
        last = last_words(child)
        if code in (SETTINGS, USAGE):
            raise ProcessFailed(f"the {child.name} can't start as it is configured:\n{last}")
        wait_s = self._waits_s[child.name]
        self._waits_s[child.name] = min(2 * wait_s, LONGEST_WAIT_S)
        self._due_s[child.name] = now_s + wait_s
        self._tell(f"the {child.name} {how_ended(code)}; starting it again in {wait_s:g} s\n{last}")

    def stop(self, *, wait_s: float = 15.0) -> None:
        """End all children, those started last first."""
        while self._children:
            child = self._children.pop()
            child.stop(wait_s=wait_s)


def child_environ(settings: Settings, **more: str) -> dict[str, str]:
    """Return a child's environment: this process's own, with these settings and no others."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    own = {CONFIG_VARIABLE: os.devnull, "PYTHONUNBUFFERED": "1"}
    return environ | environ_of(settings) | own | more


def last_words(child: Child) -> str:
    """Return the last lines that a child wrote, indented."""
    return "\n".join(f"    {line}" for line in child.last_lines)


def how_ended(code: int | None) -> str:
    """Return how a child ended, in words."""
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"
