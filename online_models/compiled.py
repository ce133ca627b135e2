"""How the learner's hot loops are compiled. Nothing that serves may import this.

Kernels live in files named ``*_kernels.py``, which may call each other and take constants from each
other and from ``agreed``: none from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])

_ALWAYS: Any = {"nogil": True, "error_model": "numpy"}


def jit(function: _Function) -> _Function:
    """Compile a function on arrays; the result is kept beside the source for the next process.

    Divisions by 0 give what numpy gives: a loop that has to look out for them isn't vectorised.
    """
    return cast(_Function, _kept(numba.njit(cache=True, **_ALWAYS)(function)))


def jit_sums(function: _Function) -> _Function:
    """Compile a function whose sums may run in any order, always the same one on one machine."""
    sums = numba.njit(cache=True, fastmath={"reassoc", "contract"}, **_ALWAYS)
    return cast(_Function, _kept(sums(function)))


def _kept(compiled: Any) -> Any:
    """Let what is kept of a kernel count as outdated when any file has changed that it may rest on.

    Of itself numba looks at the kernel's own file alone, and would go on with what the kernel took
    from others before. It asks for the version first, so that it does not even look for types that
    are elsewhere now.
    """
    if hasattr(compiled, "_cache"):  # there is none with NUMBA_DISABLE_JIT
        compiled._cache._cache_file._version = _VERSION
    return compiled


def _version() -> tuple[object, ...]:
    folder = Path(__file__).parent
    files = [folder / "agreed.py", *sorted(folder.glob("*_kernels.py"))]
    stats = [(file.name, file.stat()) for file in files]
    return numba.__version__, *((name, stat.st_mtime, stat.st_size) for name, stat in stats)


_VERSION = _version()
