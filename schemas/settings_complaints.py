"""What is wrong with settings, in words: the place, the key, the value, the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.settings import Settings
from schemas.settings_environ import PREFIX, Tree, field_of, section_of


class Whereabouts:
    """Tells in which source a value stood."""

    def __init__(self, said: Tree, environ: Tree, file: Path | None) -> None:
        self._said, self._environ, self._file = said, environ, file

    def of(self, names: list[str]) -> str:
        """Return where to look for a value, and how it is spelt there."""
        if _holds(self._said, names):
            return f"option for {'.'.join(names)}"
        if _holds(self._environ, names):
            return f"environment {PREFIX}{'__'.join(names).upper()}"
        return f"{self._file}: {'.'.join(names)}"


def _holds(tree: Any, names: list[str]) -> bool:
    for name in names:
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


def explain(error: ValidationError, where: Whereabouts) -> Iterator[str]:
    """Yield one line for each setting that is wrong: where it stands, its value, its bound."""
    told: set[tuple[str, ...]] = set()
    for problem in error.errors(include_url=False):
        names = [str(part) for part in problem["loc"]]
        if names[:2] == ["model", "hyper"]:
            names = names[:3]  # behind it comes the member of the union that did not match
        if tuple(names) in told:
            continue
        told.add(tuple(names))
        if problem["type"] == "extra_forbidden":
            yield f"{where.of(names)}: no such setting{_nearest(names)}"
            continue
        field = field_of(names[:2])
        secret = field is not None and "SecretStr" in str(field.annotation)
        value = "(a secret)" if secret else repr(problem["input"])[:80]
        message = problem["msg"].removeprefix("Value error, ")
        message = re.sub("^(Input|String) should", "it must", message)
        if names[2:] and names[:2] == ["model", "hyper"]:
            message = "it must be a number, a truth value, text or a list of numbers"
        yield f"{where.of(names)} is {value}: {message}"


def _nearest(names: list[str]) -> str:
    section = section_of(names[0]) if len(names) > 1 else Settings
    known = list(section.model_fields) if section else []
    close = get_close_matches(names[-1], known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {'.'.join([*names[:-1], close[0]])}?"
    return f"; there are {', '.join(known)}"
