"""The scorer runs without the learner's libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

BLOCK = """
import sys
for name in ("bytewax", "confluent_kafka", "numba", "river", "scipy", "torch"):
    sys.modules[name] = None
import {module}
"""


@pytest.mark.parametrize("module", ["serving.server", "serving.replica", "serving.store.embedded"])
def test_serving_imports_without_torch_and_bytewax(module: str) -> None:
    code = BLOCK.format(module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
