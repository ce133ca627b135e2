"""The command line as a whole: help, exit codes, errors."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from rillrec.__main__ import app
from tests.rillrec.conftest import Run

COMMANDS = [str(command.callback.__name__) for command in app.registered_commands]


def test_the_version_is_the_distributions(run: Run) -> None:
    assert run("--version").out == f"rillrec {version('rillrec')}\n"


def test_help_explains_the_exit_codes_and_names_every_command(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    for text in ("Examples:", "Exit codes:", "3   a setting is", "130 stopped by", *COMMANDS):
        assert text in ran.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_commands_help_teaches_by_example(run: Run, command: str) -> None:
    ran = run(command, "--help")
    assert ran.code == 0
    examples = ran.out.partition("Examples:\n")[2].splitlines()
    assert f"rillrec {command}" in examples[0]
    assert "--parent" not in ran.out


def test_every_commands_summary_fits_into_the_list(run: Run) -> None:
    listed = run("--help").out.partition("Commands:\n")[2]
    assert len(listed.splitlines()) == len(COMMANDS) + len(app.registered_groups)
    assert "..." not in listed


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys, contextlib\n"
        "from rillrec.__main__ import app\n"
        "with contextlib.suppress(SystemExit): app(['--help'])\n"
        "heavy = 'torch bytewax numpy grpc redis pydantic rich prometheus_client'.split()\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["replay"], "Missing argument"),
        (["replay", "f", "--unit", "page"], "--unit"),
        (["replay", "f", "--warm-up", "2"], "--warm-up"),
        (["schema", "purchase"], "purchase"),
    ],
)
def test_a_wrong_command_line_ends_with_2(run: Run, arguments: list[str], said: str) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert said in ran.err


def test_a_mapping_of_columns_that_is_none_ends_with_2(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("user,item,ts\n")
    ran = run("validate", file, "--map", "user")
    assert ran.code == 2
    assert "'user' is not of the form FIELD=COLUMN, such as user_id=who" in ran.err


def test_wrong_settings_end_with_3_and_one_line(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rillrec.toml"
    file.write_text("[serve]\nprot = 1\n")
    ran = run("doctor")
    assert ran.code == 3
    assert ran.err == (
        "error: rillrec.toml: serve.prot: no such setting; did you mean serve.port?\n"
    )


def test_a_file_that_is_not_there_ends_with_4_and_one_line(run: Run) -> None:
    ran = run("validate", "nothing.csv")
    assert ran.code == 4
    assert ran.err == "error: nothing.csv can't be read: No such file or directory\n"


def test_a_redis_that_is_not_there_ends_with_4_and_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RILLREC_STORE__REDIS_URL", "redis://127.0.0.1:1")
    ran = run("flow")
    assert ran.code == 4
    assert ran.err.startswith("error: Redis at 127.0.0.1:1/0 does not answer: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("command", ["demo", "up", "flow", "replay", "validate"])
def test_a_plain_installation_says_what_is_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "bytewax", None)
    ran = run(command, *(["f.csv"] if command in ("replay", "validate") else []))
    assert ran.code == 4
    assert ran.err == (
        f"error: `rillrec {command}` takes bytewax and torch, which are not "
        "installed: pip install 'rillrec[flow]'\n"
    )


@pytest.mark.parametrize("event_type", ["interaction", "impression", "item", "forget"])
def test_schema_prints_one_schema(run: Run, event_type: str) -> None:
    printed = json.loads(run("schema", event_type).out)
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert printed["type"] == "object"


def test_schema_prints_all_schemas(run: Run) -> None:
    assert set(json.loads(run("schema").out)) == {"interaction", "impression", "item", "forget"}


def test_scorer_client_and_doctor_need_neither_torch_nor_bytewax(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "for name in ('torch', 'bytewax', 'numba', 'river'): sys.modules[name] = None\n"
        "import rillrec.client, serving.server\n"
        "from rillrec.__main__ import main\n"
        f"sys.argv = ['rillrec', 'doctor', '--data-dir', {str(tmp_path)!r}]\n"
        "main()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "warn  packages          without bytewax and torch this machine can serve" in ran.stdout
