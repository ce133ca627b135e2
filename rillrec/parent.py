"""A child process that never outlives the one that started it."""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


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
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was asked
        raise SystemExit(1)
