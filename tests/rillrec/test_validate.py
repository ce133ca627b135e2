"""``rillrec validate``: what would be refused, and where it stands in the file."""

import json
from pathlib import Path

from tests.rillrec.conftest import Run
from tests.rillrec.streams import write_csv, write_json_lines


def test_a_good_file_ends_with_0_and_tells_its_columns(run: Run, tmp_path: Path) -> None:
    ran = run("validate", write_csv(tmp_path / "a.csv", 30, header="ts,visitor,sku"))
    assert ran.code == 0
    assert "user_id=visitor, item_id=sku, time=ts" in ran.out
    assert "30 rows: 30 accepted, 0 refused, 0 duplicates, 0 filtered" in ran.out


def test_what_would_be_refused_is_shown_by_reason_with_its_line(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(
        "time_ms,user,item,event_id\n"
        "1700000000000,u,i,1\n"
        "1700000000,u,i,2\n"
        "1700000000000,,i,3\n"
        "1690000000000,u,i,4\n"
        "1700000000000,u,i\n"
        "1700000000000,u,i,1\n"
    )
    ran = run("validate", file)
    assert ran.code == 1
    assert "6 rows: 1 accepted, 4 refused, 1 duplicates, 0 filtered" in ran.out
    for text in (
        "line 3: `$.time_ms` is 1700000000, before 1990: are these seconds? Send milliseconds",
        "line 4: column 'user' (user_id) is empty",
        "line 5: `$.time_ms` is 1690000000000, 10000000000 ms behind",
        "line 6: the row has 3 columns, the header 4",
    ):
        assert text in ran.out


def test_machines_get_json_with_the_first_rows_of_each_reason(run: Run, tmp_path: Path) -> None:
    file = write_json_lines(tmp_path / "a.jsonl", 20)
    with file.open("a") as lines:
        lines.writelines("{truncated\n" for _ in range(10))
    ran = run("validate", file, "--json")
    verdict = json.loads(ran.out)
    assert (ran.code, verdict["accepted"], verdict["refused"]) == (1, 20, 10)
    (refusal,) = verdict["refusals"]
    assert (refusal["reason"], refusal["rows"]) == ("malformed", 10)
    assert [example["line"] for example in refusal["examples"]] == [21, 22, 23]
    assert refusal["examples"][0]["begins"] == "{truncated"


def test_only_so_many_rows_are_read(run: Run, tmp_path: Path) -> None:
    ran = run("validate", write_csv(tmp_path / "a.csv", 30), "--limit", "7")
    assert "7 rows: 7 accepted" in ran.out


def test_values_below_the_least_are_filtered(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("ts,user,item,rating\n1700000000,u,i,5\n1700000001,u,j,1\n")
    assert (
        "1 accepted, 0 refused, 0 duplicates, 1 filtered"
        in run("validate", file, "--min-value", "4").out
    )
