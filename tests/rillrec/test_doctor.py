"""``rillrec doctor``: a line for each thing, and an exit code."""

import json
from pathlib import Path

import pytest

from tests.rillrec.conftest import Run
from tests.rillrec.streams import write_csv


def test_a_fresh_machine_is_told_what_to_do_next(run: Run) -> None:
    ran = run("doctor")
    assert ran.code == 0
    assert "warn  model" in ran.out
    assert "→ `rillrec up` or `rillrec serve`" in ran.out


def test_a_redis_that_is_not_there_ends_with_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RILLREC_STORE__REDIS_URL", "redis://127.0.0.1:1")
    ran = run("doctor")
    assert ran.code == 1
    assert "fail  redis" in ran.out
    assert "→ start it, or correct store.redis_url" in ran.out


def test_an_embedded_redis_that_can_not_start_is_a_finding(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = run("doctor", "--data-dir", tmp_path / "file")
    assert ran.code == 1
    assert "can't hold the embedded Redis (Not a directory): choose another --data-dir" in ran.out


def test_machines_get_json(run: Run, tmp_path: Path) -> None:
    run("replay", write_csv(tmp_path / "a.csv", 50), "--into", "shop")
    ran = run("doctor", "--model", "shop", "--json")
    told = json.loads(ran.out)
    assert told["healthy"]
    found = {finding["name"]: finding for finding in told["findings"]}
    assert found["model"]["status"] == "ok"
    assert "learnt from 50 events" in found["model"]["detail"]
