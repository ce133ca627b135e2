"""A child process that never outlives the one that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def end_with_parent(parent: int | None) -> None:
    """Have the kernel kill this process when its parent dies, however that dies.

    Nothing is lost by that: everything that holds state may be killed at any moment.

    Parameters
    ----------
    parent
        The process id that started this one; ``None`` where nobody watches over it.
    """
    if parent is None:
        return
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was asked
        raise SystemExit(1)


def die_with_parent() -> None:
    """Have the kernel end this process with its parent: run in a child, before it becomes another.

    Whoever starts it must have loaded this module before: after a fork only prctl may be called.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
