"""``rillrec replay``: the report, what changes it and what does not, and what it leaves behind."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.sources.file import FileSource
from rillrec.replaying import Protocol, Replay
from rillrec.stores import store_of
from schemas.errors import StoreError
from schemas.settings import ModelSettings, Settings, StoreSettings
from serving.store import MemoryStore
from tests.rillrec.conftest import Run
from tests.rillrec.streams import write_csv, write_json_lines

KEYS = [
    "events",
    "filtered",
    "rejected",
    "duplicates",
    "seconds",
    "events_per_s",
    "scored",
    "metrics",
    "metrics_last_half",
    "by_source",
    "candidate_recall",
    "coverage",
    "intervals_95",
    "compared",
    "segments",
    "slates",
    "calibration",
]
TIMING = ("seconds", "events_per_s")


def report(run: Run, *arguments: object) -> dict[str, Any]:
    ran = run("replay", *arguments, "--json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def untimed(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if name not in TIMING}


def test_the_report_has_the_keys_of_the_protocol_and_learns(run: Run, tmp_path: Path) -> None:
    figures = report(run, write_csv(tmp_path / "clicks.csv.gz", 1_500))
    assert list(figures) == KEYS
    assert list(figures["metrics"])[:4] == ["hr@10", "hr@20", "mrr@20", "ndcg@10"]
    assert list(figures["by_source"]) == ["popularity", "rules", "encoder"]
    assert set(figures["slates"]) == {
        "diversity", "category_diversity", "novelty_bits", "exposure_gini"
    }  # fmt: skip
    low, high = figures["intervals_95"]["mrr@20"]
    assert low < figures["metrics"]["mrr@20"] < high
    assert figures["events"] == 1_500
    assert figures["metrics"]["hr@10"] > figures["by_source"]["popularity"]["hr@10"] + 0.1


def test_csv_and_json_lines_of_the_same_clicks_give_the_same_report(
    run: Run, tmp_path: Path
) -> None:
    of_csv = report(run, write_csv(tmp_path / "a.csv"))
    of_json = report(run, write_json_lines(tmp_path / "b.jsonl"))
    assert untimed(of_csv) == untimed(of_json)


def test_the_report_is_the_same_for_any_source_batch_size(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_csv(tmp_path / "a.csv")
    reports = []
    for size in ("1", "37", "1000"):
        monkeypatch.setenv("RILLREC_FLOW__BATCH_SIZE", size)
        reports.append(untimed(report(run, file)))
    assert reports[0] == reports[1] == reports[2]


def test_scoring_fewer_units_learns_the_same(run: Run, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv")
    all_units = report(run, file, "--unit", "user", "--into", "all")
    fewer = report(run, file, "--unit", "user", "--score-every", "4", "--into", "fewer")
    assert 0 < fewer["scored"] < all_units["scored"] / 2
    assert stored_model(tmp_path, "all") == stored_model(tmp_path, "fewer")


def stored_model(home: Path, name: str) -> object:
    settings = Settings(
        store=StoreSettings(data_dir=home / ".local/share/rillrec"),
        model=ModelSettings(name=name),
    )
    with store_of(settings) as store:
        base = store.newest_base()
    assert base is not None
    return base.entries


def test_users_and_sessions_are_different_units(run: Run, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv")
    sessions, users = report(run, file), report(run, file, "--unit", "user", "--warm-up", "0")
    assert users["scored"] == users["events"] == sessions["events"]
    assert sessions["scored"] < sessions["events"]


def test_repeats_decide_whether_items_come_again(run: Run, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv")
    allowed = report(run, file, "--repeats", "allow")
    excluded = report(run, file, "--repeats", "exclude")
    assert allowed["metrics"]["hr@20"] > excluded["metrics"]["hr@20"]
    assert untimed(report(run, file)) == untimed(allowed)


def test_rows_below_the_least_value_are_counted_as_filtered(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "ratings.csv"
    rows = [f"{1_700_000_000 + n},u{n % 7},i{n % 5},{n % 5 + 1}" for n in range(100)]
    file.write_text("\n".join(["ts,user,item,rating", *rows]))
    figures = report(run, file, "--unit", "user", "--min-value", "4")
    assert (figures["events"], figures["filtered"]) == (40, 60)


def test_only_so_many_rows_are_read(run: Run, tmp_path: Path) -> None:
    assert report(run, write_csv(tmp_path / "a.csv"), "--limit", "123")["events"] == 123


def test_columns_may_be_said_outright(run: Run, tmp_path: Path) -> None:
    plain = report(run, write_csv(tmp_path / "a.csv"))
    odd = write_csv(tmp_path / "a2.csv", header="moment,who,what")
    columns = ("--map", "time_s=moment", "--map", "user_id=who", "--map", "item_id=what")
    assert untimed(report(run, odd, *columns)) == untimed(plain)


def test_refused_rows_go_to_the_dead_letters(run: Run, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", 50)
    with file.open("a") as rows:
        rows.write("yesterday,u,i\n1700000000,,i\n")
    dead = tmp_path / "dead.jsonl"
    ran = run("replay", file, "--dead-letters", dead, "--json")
    figures = json.loads(ran.out)
    assert f"note: 2 rows were refused: `rillrec validate {file}` tells why\n" in ran.err
    assert (figures["events"], figures["rejected"]) == (50, 2)
    letters = [json.loads(line) for line in dead.read_text().splitlines()]
    assert {letter["offset"]: letter["text"] for letter in letters} == {
        50: "yesterday,u,i",
        51: "1700000000,,i",
    }


def test_dead_letters_are_not_written_into_the_file_that_is_read(run: Run, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", 50)
    before = file.read_bytes()
    same = tmp_path / "same.csv"
    same.symlink_to(file)
    ran = run("replay", file, "--dead-letters", same)
    assert ran.code == 2
    assert "is the file that is read: name another" in ran.err
    assert file.read_bytes() == before


def test_a_model_that_somebody_learns_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.lease.TTL_MS", 20)
    store = MemoryStore()
    assert store.acquire("flow 1 on another machine", 60_000)
    source = FileSource(write_csv(tmp_path / "a.csv", 50))
    with pytest.raises(StoreError, match="flow 1 on another machine learns this model already"):
        Replay(source, Settings(), store=store, protocol=Protocol())


def test_a_replay_lets_go_of_the_model_at_its_end(tmp_path: Path) -> None:
    store = MemoryStore()
    source = FileSource(write_csv(tmp_path / "a.csv", 50))
    Replay(source, Settings(), store=store, protocol=Protocol()).run()
    assert store.lease_owner() is None


def test_people_get_a_table(run: Run, tmp_path: Path) -> None:
    ran = run("replay", write_csv(tmp_path / "a.csv"))
    assert ran.code == 0
    for text in (
        "hr@20",
        "Rillrec",
        "rules alone",
        "95 % interval",
        "item of the tail",
        "200 events",
    ):
        assert text in ran.out


def test_a_stored_model_is_known_again_and_not_learnt_twice(run: Run, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv")
    first = run("replay", file, "--limit", "150", "--into", "shop", "--unit", "user", "--json")
    assert "serve it: rillrec serve --model shop\n" in first.err
    assert json.loads(first.out)["events"] == 150
    second = run("replay", file, "--into", "shop", "--unit", "user", "--json")
    assert "note: the model knows the rows before 150: going on\n" in second.err
    assert json.loads(second.out)["events"] == 50
    third = report(run, file, "--into", "shop", "--unit", "user")
    assert third["events"] == 0


def test_a_model_goes_on_only_as_it_has_learnt(run: Run, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", 50)
    run("replay", file, "--into", "shop", "--unit", "user")
    ran = run("replay", file, "--into", "shop")
    assert ran.code == 3
    assert "the model has learnt with stream.unit = 'user'" in ran.err
    assert "say the same (--unit, --repeats), or choose another model name" in ran.err


def test_a_model_of_something_else_is_not_written_over(run: Run, tmp_path: Path) -> None:
    run("replay", write_csv(tmp_path / "a.csv", 50), "--into", "shop")
    ran = run("replay", write_csv(tmp_path / "b.csv", 50), "--into", "shop")
    assert ran.code == 4
    assert "error: there is a model of that name already, version" in ran.err
    assert ran.err.endswith(": choose another name for --into\n")


def test_a_file_that_breaks_off_is_reported_up_to_there_and_ends_with_4(
    run: Run, tmp_path: Path
) -> None:
    file = write_csv(tmp_path / "a.csv.gz")
    file.write_bytes(file.read_bytes()[:-200])
    ran = run("replay", file, "--json")
    assert ran.code == 4
    assert ran.err.startswith(f"error: {file} is cut short: ")
    assert ran.err.count("\n") == 1
    assert 0 < json.loads(ran.out)["events"] < 200  # what came before the end counts


def test_named_others_are_compared_with_in_the_same_pass(run: Run, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", 600)
    plain, compared = report(run, file), report(run, file, "--compare", "neighbours,session")
    assert list(compared["by_source"]) == [*plain["by_source"], "neighbours", "session"]
    assert compared["metrics"] == plain["metrics"]
    told = compared["compared"]["session"]
    assert told["hr@20_gain"] > 0
    assert 0 <= told["mcnemar_p"] < 0.01
    text = run("replay", file, "--compare", "rules", "--compare", "neighbours").out
    assert "how far Rillrec is ahead of each" in text


def test_a_source_that_is_left_out_is_told_with_what_it_adds(run: Run, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", 600)
    plain, ablated = (
        report(run, file),
        report(run, file, "--ablate", "session,earlier", "--ablate", "rules"),
    )
    assert list(ablated["ablation"]) == ["session", "earlier", "rules"]
    for told in ablated["ablation"].values():
        gain = ablated["metrics"]["mrr@20"] - told["metrics"]["mrr@20"]
        assert told["mrr@20_gain"] == pytest.approx(gain, abs=2e-4)
        assert told["mrr@20_gain"] != 0
    assert untimed(ablated) == untimed(plain) | {"ablation": ablated["ablation"]}


def test_a_catalogue_is_a_source_of_its_own(run: Run, tmp_path: Path) -> None:
    file, items = write_csv(tmp_path / "a.csv", 400), tmp_path / "items.csv"
    known = {line.split(",")[2] for line in file.read_text().split()[1:]}
    rows = [f"{item},{item.partition('-')[0]}" for item in sorted(known)]
    items.write_text("\n".join(["item,kind_of", *rows]) + "\n")
    plain = report(run, file)
    told = report(run, file, "--items", items, "--compare", "content", "--ablate", "content")
    assert list(told["by_source"]) == [*plain["by_source"], "content"]
    assert told["by_source"]["content"]["hr@20"] > 0
    assert list(told["ablation"]) == ["content"]
    assert told["metrics"] != plain["metrics"]


def test_a_catalogue_that_is_none_is_told_with_its_line(run: Run, tmp_path: Path) -> None:
    items = tmp_path / "items.csv"
    items.write_text("item,title\nx\n")
    ran = run("replay", write_csv(tmp_path / "a.csv", 50), "--items", items)
    assert ran.code == 4
    assert "items.csv, line 2: the row has 1 columns, the header 2" in ran.err


def test_models_that_lag_are_told_beside_the_one_that_does_not(run: Run, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", 1_500)
    plain, told = report(run, file), report(run, file, "--sync-interval", "0,1min,1h")
    assert untimed(told) == untimed(plain) | {"freshness": told["freshness"]}
    freshness = told["freshness"]
    assert list(freshness["lagging"]) == ["1min", "1h"]
    assert 0 < freshness["scored"] < told["scored"]
    assert freshness["lagging"]["1h"]["mrr@20"] < freshness["metrics"]["mrr@20"]
    assert list(told["by_source"]) == ["popularity", "rules", "encoder"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--compare", "rules,magic"), "there is nothing called 'magic' to compare with: take"),
        (("--ablate", "neighbours"), "there is no 'neighbours' to leave out: take popularity"),
        (
            ("--ablate", "rules,earlier", "--unit", "user"),
            "'earlier' is what a user chose in other sessions, and with --unit user there are none "
            "beside the user's one history: drop it, or replay with --unit session",
        ),
        (("--sync-interval", "1 fortnight"), "'1 fortnight' is no interval: write 0, 1s, 30min"),
        (("--sync-interval", "366d"), "'366d' is longer than a year, 365d"),
        (("--sync-interval", "1d", "--into", "shop"), "--into keeps a model: run replay once for"),
        (("--ablate", "rules", "--into", "shop"), "--into keeps a model: run replay once for each"),
        (
            ("--compare", "content"),
            "content is what the catalogue tells: name its file with --items",
        ),
        (
            ("--ablate", "content"),
            "content is what the catalogue tells: name its file with --items",
        ),
    ],
)
def test_what_cannot_be_measured_is_told_before_anything_is_read(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    ran = run("replay", write_csv(tmp_path / "a.csv", 50), *arguments)
    assert ran.code == 2
    assert told in " ".join(ran.err.replace("│", " ").split())
    assert not ran.out
