"""How the learner's hot loops are compiled. Nothing that serves may import this."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


def jit(function: _Function) -> _Function:
    """Compile a function on arrays; the result is kept beside the source for the next process.

    Divisions by 0 give what numpy gives: a loop that has to look out for them isn't vectorised.
    """
    compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return cast(_Function, compiled)


def jit_sums(function: _Function) -> _Function:
    """Compile a function whose sums may run in any order, always the same one on one machine."""
    compiled: Any = numba.njit(
        cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"}
    )(function)
    return cast(_Function, compiled)
