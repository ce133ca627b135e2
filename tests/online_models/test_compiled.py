from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

from online_models import compiled

CALLER = """
from callee_kernels import {name}, one
from compiled import jit

@jit
def two(x):
    return one(x) + 1

print(two({name}(1)))
"""
CALLEE = """
from typing import NamedTuple

from compiled import jit

class {name}(NamedTuple):
    x: int

@jit
def one(some):
    return some.x + {more}
"""


def test_a_kernel_follows_a_change_of_one_in_another_file(tmp_path: Path) -> None:
    for file in ("compiled.py", "agreed.py"):
        shutil.copy(Path(compiled.__file__).with_name(file), tmp_path)
    for name, more in (("Some", 10), ("Some", 1_000), ("Other", 10_000)):
        (tmp_path / "caller_kernels.py").write_text(CALLER.format(name=name))
        (tmp_path / "callee_kernels.py").write_text(CALLEE.format(name=name, more=more))
        command = [sys.executable, str(tmp_path / "caller_kernels.py")]
        told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        assert int(told.stdout) == 1 + more + 1


def test_kernels_are_in_files_that_are_looked_at() -> None:
    for file in Path(compiled.__file__).parent.rglob("*.py"):
        if "@jit" in file.read_text():
            assert file.match("online_models/*_kernels.py"), file


def test_kernels_take_constants_from_files_that_are_looked_at() -> None:
    for file in Path(compiled.__file__).parent.glob("*_kernels.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("online_models"):
                looked_at = (node.module or "").endswith(("_kernels", ".agreed"))
                constants = [name.name for name in node.names if name.name.isupper()]
                assert looked_at or not constants, (file, constants)
