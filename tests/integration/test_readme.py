"""The README's words: its links lead somewhere, its snippet runs, its commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rillrec.__main__ import app
from tests.integration.conftest import Start

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http)([^)]+)\)", README))))
def test_a_link_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).exists()


def test_every_command_that_is_named_exists() -> None:
    named = set(re.findall(r"`(?:\$ )?rillrec (\w+)|^(?:\$ )?rillrec (\w+)", README, re.MULTILINE))
    commands = {str(command.callback.__name__) for command in app.registered_commands}
    commands |= {str(group.typer_instance.info.name) for group in app.registered_groups}
    assert {one or other for one, other in named} <= commands


@pytest.mark.slow
@pytest.mark.redis
def test_the_snippet_runs_as_it_stands(start: Start, tmp_path: Path) -> None:
    one = start("up", "--port", "0")
    address = one.wait_for(r"ready: the scorer listens on (\S+)")[1]
    (snippet,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    script = tmp_path / "snippet.py"
    script.write_text(snippet.replace("127.0.0.1:50051", address))
    for _ in range(5):  # its calls have the client's own deadline: a busy machine may miss it
        ran = subprocess.run(
            [sys.executable, script], capture_output=True, text=True, timeout=300, check=False
        )
        if "DEADLINE_EXCEEDED" not in ran.stderr and "FAILED_PRECONDITION" not in ran.stderr:
            break
    assert ran.stderr == ""
    assert ran.stdout.endswith(" True\n")
