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


def test_kafka_without_its_client_is_refused_with_what_to_install() -> None:
    code = f"""{BLOCK.format(module="serving.server")}
from schemas.settings_kafka import KafkaSettings
from schemas.user_state import StreamRules
serving.server.ScorerServer(
    "redis://127.0.0.1:1", name="test", rules=StreamRules(), kafka=KafkaSettings(brokers="k:9092")
)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ExtraMissing: events go to Kafka" in done.stderr
    assert "takes confluent-kafka: pip install 'rillrec[kafka]'" in done.stderr
