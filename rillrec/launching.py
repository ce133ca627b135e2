"""A flow of several processes on this machine: they start together, and end together."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import chain, repeat

from rillrec.exits import OK, REBUILD, SETTINGS, USAGE
from rillrec.ports import choose_port, quiet_ports
from rillrec.supervisor import (
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    STEADY_S,
    Child,
    Tell,
    child_environ,
    how_ended,
    last_words,
)
from schemas.errors import ProcessFailed
from schemas.settings import Settings

POLL_S = 0.05
TOGETHER_S = 3.0
"""How long after one process the others may end, to be thought of as having ended with it."""
ORDERLY_S = 30.0


class Launcher:
    """Starts the processes of one flow, and all of them again when one ends.

    What one of them holds of the engine's state is gone with it, so that the others can't go on.
    All state of ours is in the store: they begin from that.

    Parameters
    ----------
    settings
        Of this process. The children are given the same, but for metrics ports: each has its own,
        counted from ``flow.metrics_port``.
    arguments
        Of ``rillrec``, for every child.
    at_first
        More of them, for children that are no successors of others.
    processes
        How many.
    tell
        Is handed what happens, in words.
    tell_line
        Is handed what the children write.
    """

    def __init__(
        self,
        settings: Settings,
        arguments: Sequence[str],
        *,
        at_first: Sequence[str] = (),
        processes: int,
        redis_url: str,
        tell: Tell,
        tell_line: Tell,
    ) -> None:
        self._settings, self._arguments, self._count = settings, list(arguments), processes
        self._at_first = list(at_first)
        self._redis_url, self._tell, self._tell_line = redis_url, tell, tell_line
        self._metrics_ports = [self._metrics_port(number) for number in range(processes)]
        self._children: list[Child] = []
        self._wait_s = FIRST_WAIT_S

    def run(self, check: Callable[[], None]) -> None:
        """Keep the processes running until ``check``, called all the while, raises.

        Raises
        ------
        ProcessFailed
            One of them refused its settings or its command line.
        """
        with ExitStack() as stack:
            stack.callback(self._end_in_order)
            for more in chain([self._at_first], repeat(list[str]())):
                self._start(more)
                started_s = time.monotonic()
                while all(child.exit_code is None for child in self._children):
                    check()
                    time.sleep(POLL_S)
                if time.monotonic() - started_s > STEADY_S:
                    self._wait_s = FIRST_WAIT_S
                self._wait(self._explain(), check)

    def _start(self, more: list[str]) -> None:
        ports = quiet_ports(self._count)
        addresses = ";".join(f"127.0.0.1:{port}" for port in ports)
        self._children = [self._child(number, addresses, more) for number in range(self._count)]
        for child in self._children:
            child.start()

    def _child(self, number: int, addresses: str, more: list[str]) -> Child:
        argv = [sys.executable, "-m", "rillrec", *self._arguments]
        place = ["--process-id", str(number), "--addresses", addresses]
        environ = child_environ(
            self._settings,
            RILLREC_STORE__REDIS_URL=self._redis_url,
            RILLREC_FLOW__METRICS_PORT=str(self._metrics_ports[number]),
        )
        return Child(
            f"flow process {number}",
            argv + place + more,
            environ=environ,
            tell_line=lambda line: self._tell_line(f"{number} | {line}"),
        )

    def _metrics_port(self, number: int) -> int:
        flow = self._settings.flow
        return flow.metrics_port and choose_port(
            "flow.metrics_port",
            flow.metrics_port + number,
            host=self._settings.serve.host,
            asked_for="metrics_port" in flow.model_fields_set,
            tell=self._tell,
        )

    def _explain(self) -> str:
        """Return what happened, once those that end together have ended."""
        deadline_s = time.monotonic() + TOGETHER_S
        while time.monotonic() < deadline_s and None in self._codes():
            time.sleep(POLL_S)
        codes = self._codes()
        for child in self._children:  # nothing is lost: what is not published is read again
            child.kill()
        for child, code in zip(self._children, codes, strict=True):
            if code in (SETTINGS, USAGE):
                raise ProcessFailed(
                    f"the {child.name} can't start as it is configured:\n{last_words(child)}"
                )
        blamed = [(c, code) for c, code in zip(self._children, codes, strict=True) if code]
        child, code = min(blamed or [(self._children[0], OK)], key=lambda one: one[1] == REBUILD)
        return f"the {child.name} {how_ended(code)}"

    def _codes(self) -> list[int | None]:
        return [child.exit_code for child in self._children]

    def _wait(self, what: str, check: Callable[[], None]) -> None:
        self._tell(
            f"{what}; starting all {self._count} processes of the flow again in {self._wait_s:g} s"
        )
        until_s = time.monotonic() + self._wait_s
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        while time.monotonic() < until_s:
            check()
            time.sleep(POLL_S)

    def _end_in_order(self) -> None:
        for child in self._children:
            child.ask_to_end()
        for child in self._children:
            child.stop(wait_s=ORDERLY_S)
