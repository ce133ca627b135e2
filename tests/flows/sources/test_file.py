"""Files of events."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from flows.batches import Refused
from flows.sources.file import FileSource
from schemas.errors import SourceError
from schemas.events import Event, Interaction, ItemUpdate
from serving.store import MemoryStore
from tests.flows.streams import NOW_MS, RULES, START_MS, csv_lines, interaction, payload, run

SECONDS = START_MS // 1_000


def written(tmp_path: Path, content: bytes, name: str = "events.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def read(source: FileSource, start: int = 0) -> tuple[list[tuple[int, Event | Refused]], int]:
    """Return what happened in a file, and how many rows were filtered."""
    partition, happenings, filtered = source.open(start), [], 0
    while True:
        try:
            [batch] = partition.next_batch()
        except StopIteration:
            return happenings, filtered
        some, dropped = source.decoder(batch.records, now_ms=NOW_MS)
        happenings += [(offset, event) for offset, event, _ in some]
        filtered += dropped


def only(path: Path, **options: Any) -> Interaction:
    [(_, event)], _ = read(FileSource(path, **options))
    assert isinstance(event, Interaction)
    return event


def test_a_row_of_csv_becomes_an_interaction(tmp_path: Path) -> None:
    header = "ts,user,item,event_type,session_id,environment,device,referrer"
    path = written(
        tmp_path, csv_lines([(f"{SECONDS}.026", 59, 234853, "click", "s1", 4, 3, "")], header)
    )
    event = only(path)
    assert event == Interaction(
        event_id=event.event_id,
        user_id="59",
        item_id="234853",
        kind="click",
        time_ms=START_MS + 26,
        session_id="s1",
        context={"environment": "4", "device": "3"},
    )
    assert event.event_id.startswith("row-0@")


def test_every_field_has_a_column(tmp_path: Path) -> None:
    header = "event_id,user_id,item_id,kind,time_ms,session_id,request_id,position,value"
    row = ("e1", "u", "i", "buy", START_MS, "s", "r", 3, 2.5)
    assert only(written(tmp_path, csv_lines([row], header))) == Interaction(
        event_id="e1",
        user_id="u",
        item_id="i",
        kind="buy",
        time_ms=START_MS,
        session_id="s",
        request_id="r",
        position=3,
        value=2.5,
    )


def test_columns_that_are_left_empty_are_left_out(tmp_path: Path) -> None:
    header = "event_id,user_id,item_id,kind,time_ms,session_id,request_id,position,value"
    event = only(
        written(tmp_path, csv_lines([("", "u", "i", "", START_MS, "", "", "", "")], header))
    )
    assert event.event_id.startswith("row-0@")
    assert (event.kind, event.session_id, event.request_id) == ("click", None, None)
    assert (event.position, event.value) == (None, None)


@pytest.mark.parametrize("position", ["-1", "x", "1.5", "9999999999", "²"])
def test_a_position_that_is_no_place_is_refused(tmp_path: Path, position: str) -> None:
    content = csv_lines([(SECONDS, "u", "i", position)], "ts,user,item,position")
    [(_, refused)], _ = read(FileSource(written(tmp_path, content)))
    assert isinstance(refused, Refused)
    assert refused.reason == "field"
    assert "'position' is no place from 0" in refused.message


def test_quotes_and_other_delimiters_are_understood(tmp_path: Path) -> None:
    content = f'ts\tuser\titem\n{SECONDS}\t"a ""b"" c"\tx,y\n'.encode()
    event = only(written(tmp_path, content, "events.tsv"))
    assert (event.user_id, event.item_id) == ('a "b" c', "x,y")


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + csv_lines([("u", "i", SECONDS)], "user,item,ts")
    assert only(written(tmp_path, content)).user_id == "u"
    line = b"\xef\xbb\xbf" + payload(interaction(0))
    assert only(written(tmp_path, line, "events.jsonl")).user_id == "u0"


def test_without_a_user_column_each_session_is_a_user(tmp_path: Path) -> None:
    event = only(written(tmp_path, csv_lines([("s7", "i", SECONDS)], "session,item,ts")))
    assert (event.user_id, event.session_id) == ("s7", "s7")


def test_columns_may_be_mapped(tmp_path: Path) -> None:
    path = written(tmp_path, csv_lines([("u", "i", SECONDS)], "a,b,c"))
    event = only(path, mapping={"user_id": "a", "item_id": "b", "time": "c"})
    assert (event.user_id, event.item_id, event.time_ms) == ("u", "i", START_MS)


def test_a_time_whose_name_tells_its_unit_is_never_guessed_at(tmp_path: Path) -> None:
    for header, time in (("user,item,time_ms", SECONDS), ("user,item,ts", SECONDS)):
        mapping = {"time_ms": "ts"} if header.endswith("ts") else {}
        path = written(tmp_path, csv_lines([("u", "i", time)], header))
        [(_, refused)], _ = read(FileSource(path, mapping=mapping))
        assert isinstance(refused, Refused)
        assert refused.reason == "time"
        assert "are these seconds?" in refused.message


def test_the_log_tells_what_was_decided(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = csv_lines([(SECONDS, "u", "i", 4, "de")], "ts,user,item,rating,country")
    with caplog.at_level(logging.INFO):
        FileSource(written(tmp_path, rows)).open(1)
        FileSource(written(tmp_path, payload(interaction(0)), "events.jsonl")).open()
    assert caplog.messages == [
        "events.csv: CSV, user_id=user, item_id=item, time=ts, value=rating, kind is always "
        "'rate'; by its values, 'ts' is in s; context: country",
        "events.csv: going on at row 1",
        "events.jsonl: lines of JSON, event_id=event_id, user_id=user_id, item_id=item_id, "
        "kind=kind, time_ms=time_ms",
    ]


def test_a_limit_reads_the_first_rows_only(tmp_path: Path) -> None:
    path = written(tmp_path, csv_lines([(SECONDS, "u", "i", "click")] * 9))
    happenings, _ = read(FileSource(path, batch_size=4, limit=6))
    assert [offset for offset, _ in happenings] == list(range(6))
    assert read(FileSource(path, limit=6), 7) == ([], 0)
    with pytest.raises(ValueError, match="limit is 0, it must be at least 1"):
        FileSource(path, limit=0)


@pytest.mark.parametrize("packed", [False, True])
def test_how_far_the_reading_is_can_be_followed(tmp_path: Path, packed: bool) -> None:
    content = csv_lines([(SECONDS, "u", "i", "click")] * 50_000)
    path = written(tmp_path, gzip.compress(content) if packed else content)
    source = FileSource(path)
    assert source.bytes_read == 0
    read(source)
    assert source.bytes_read == path.stat().st_size


def test_rows_below_the_least_value_are_filtered_before_all_else(tmp_path: Path) -> None:
    rows = [(SECONDS, "u", "i", value) for value in (3, 4, "", 5)] + [("soon", "", "i", 1)]
    path = written(tmp_path, csv_lines(rows, "ts,user,item,value"))
    happenings, filtered = read(FileSource(path, min_value=4))
    assert ([offset for offset, _ in happenings], filtered) == ([1, 2, 3], 2)
    lines = b"\n".join(payload(interaction(n, value=v)) for n, v in enumerate((3, 4, None, 0)))
    lines += b'\n{"value": 1, "user_id": 7}\n{"value": 5, "user_id": 7}\n{"value": 1'
    happenings, filtered = read(FileSource(written(tmp_path, lines, "a.jsonl"), min_value=4))
    assert ([offset for offset, _ in happenings], filtered) == ([1, 2, 5, 6], 3)


def test_blank_lines_are_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, csv_lines([(SECONDS, "u", "i")], "ts,user,item") + b"\r\n\n  \n")
    assert len(read(FileSource(path))[0]) == 1
    path = written(tmp_path, payload(interaction(0)) + b"\n\n \r\n", "events.jsonl")
    assert len(read(FileSource(path))[0]) == 1


def test_rows_keep_their_numbers_past_blank_lines(tmp_path: Path) -> None:
    content = (
        csv_lines([(SECONDS, "u", "i")]) + b"\n" + csv_lines([(SECONDS, "v", "i", "click")], "")
    )
    path = written(tmp_path, content)
    happenings, _ = read(FileSource(path))
    assert [offset for offset, _ in happenings] == [0, 3]


def test_lines_of_json_may_say_what_they_are(tmp_path: Path) -> None:
    lines = [
        interaction(0, type="interaction"),
        {"type": "item", "item_id": "tea"},
        interaction(1, item_id='the "type" of tea'),
    ]
    path = written(tmp_path, b"\n".join(map(payload, lines)), "events.jsonl")
    happenings, _ = read(FileSource(path))
    assert [type(event) for _, event in happenings] == [Interaction, ItemUpdate, Interaction]


def test_fields_of_json_may_have_other_names(tmp_path: Path) -> None:
    line = {"user": "u", "sku": "i", "event": "buy", "time_s": SECONDS + 0.5, "amount": 9.5}
    path = written(tmp_path, payload(line), "events.ndjson")
    event = only(path, mapping={"value": "amount"})
    assert (event.user_id, event.item_id, event.kind) == ("u", "i", "buy")
    assert (event.time_ms, event.value) == (START_MS + 500, 9.5)
    assert event.event_id.startswith("row-0@")


def test_a_name_that_is_mapped_is_no_longer_that_of_another_field(tmp_path: Path) -> None:
    line = interaction(0, item_id=None, value="tea")
    path = written(tmp_path, payload(line), "events.jsonl")
    event = only(path, mapping={"item_id": "value"})
    assert (event.item_id, event.value) == ("tea", None)
    with pytest.raises(SourceError, match="'user_id' can't be two fields at once"):
        FileSource(path, mapping={"user_id": "user_id", "session_id": "user_id"})


def test_times_of_json_are_never_converted(tmp_path: Path) -> None:
    line = interaction(0, time_ms=None, ts=SECONDS)
    [(_, refused)], _ = read(FileSource(written(tmp_path, payload(line), "events.json")))
    assert isinstance(refused, Refused)
    assert refused.reason == "time"


def test_endless_seconds_are_refused(tmp_path: Path) -> None:
    lines = [{"user": "u", "item": "i", "time_s": time} for time in (1e300, -1e300)]
    path = written(tmp_path, b"\n".join(map(payload, lines)), "events.jsonl")
    for _, refused in read(FileSource(path))[0]:
        assert isinstance(refused, Refused)
        assert refused.reason == "time"


def test_json_that_never_tells_a_kind_gets_one(tmp_path: Path) -> None:
    path = written(tmp_path, payload(interaction(0, kind=None)), "events.jsonl")
    assert only(path).kind == "click"
    lines = payload(interaction(0, kind=None)) + b"\n" + payload(interaction(1))
    (_, refused), _ = read(FileSource(written(tmp_path, lines, "events.jsonl")))[0]
    assert isinstance(refused, Refused)
    assert "missing required field `kind`" in refused.message


@pytest.mark.parametrize("name", ["events", "events.txt", "events.gz"])
def test_files_without_a_telling_name_are_told_by_their_contents(tmp_path: Path, name: str) -> None:
    assert only(written(tmp_path, payload(interaction(0)), name)).user_id == "u0"
    rows = csv_lines([(SECONDS, "u", "i", "click")])
    assert only(written(tmp_path, gzip.compress(rows), name)).user_id == "u"


def test_reading_goes_on_at_any_row(tmp_path: Path) -> None:
    rows = csv_lines([(SECONDS + n, "u", f"i{n}", "click") for n in range(50)])
    for content in (rows, gzip.compress(rows)):
        source = FileSource(written(tmp_path, content), batch_size=7)
        for start in (0, 1, 33, 50, 70):
            happenings, _ = read(source, start)
            assert [offset for offset, _ in happenings] == list(range(start, 50))


def test_a_flow_goes_on_where_it_left_a_file_that_has_grown(tmp_path: Path) -> None:
    rows = [(SECONDS + n, f"u{n % 3}", f"i{n}", "click") for n in range(60)]
    path, store = written(tmp_path, csv_lines(rows[:40])), MemoryStore()
    _, tally = run(FileSource(path, batch_size=9), store, rules=RULES)
    assert tally.records == 40
    path.write_bytes(csv_lines(rows))
    learner, tally = run(FileSource(path, batch_size=9), store)
    assert (tally.records, learner.state.progress.trained) == (20, 60)
    _, tally = run(FileSource(path), store)
    assert tally.records == 0


def test_another_file_of_the_same_name_is_not_taken_for_the_first(tmp_path: Path) -> None:
    store = MemoryStore()
    for item in ("tea", "milk"):
        path = written(tmp_path, csv_lines([(SECONDS, "u", item, "click")]))
        run(FileSource(path), store)
    assert [visit.item_id for visit in store.read_users(["u"])["u"].history] == ["tea", "milk"]


def test_a_partition_tells_where_it_stands(tmp_path: Path) -> None:
    path = written(tmp_path, csv_lines([(SECONDS, "u", "i", "click")] * 5))
    partition = FileSource(path, batch_size=2).open(1)
    [first], [second] = partition.next_batch(), partition.next_batch()
    assert [(b.seq, b.begin, b.end) for b in (first, second)] == [(0, 1, 3), (1, 3, 5)]
    assert partition.snapshot() == 5


def test_a_source_that_is_told_to_end_reads_nothing_more(tmp_path: Path) -> None:
    source = FileSource(
        written(tmp_path, csv_lines([(SECONDS, "u", "i", "click")] * 5)), batch_size=2
    )
    partition = source.open()
    partition.next_batch()
    source.end()
    with pytest.raises(StopIteration):
        partition.next_batch()


def test_more_columns_than_a_context_holds_are_left_out(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(70)] + ["", "n" * 65]
    header = ",".join(["ts", "user", "item", *names])
    path = written(tmp_path, csv_lines([(SECONDS, "u", "i", *["x"] * 72)], header))
    assert list(only(path).context) == names[:64]


def test_a_context_value_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, csv_lines([(SECONDS, "u", "i", "x" * 1_025)], "ts,user,item,page"))
    [(_, refused)], _ = read(FileSource(path))
    assert isinstance(refused, Refused)
    assert refused.message == "column 'page' (context) has 1025 characters, at most 1024 fit"
    path = written(tmp_path, csv_lines([(SECONDS, "u", "i", "x" * 1_024)], "ts,user,item,page"))
    assert only(path).context == {"page": "x" * 1_024}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: there is nothing to read"),
        (b"a,b,c\n1,2,3\n", r"which column is user_id\? It has a, b, c"),
        (b'"user,item\n', "the first line is no header of CSV"),
        (b"\xff\xfe\n", "the first line is no header of CSV"),
        (b"u" * 2_000_000 + b"\n", "the first line is no header of CSV: it has 2000000 bytes"),
        (b"user,item,ts,ts\n", "has two columns 'ts'"),
    ],
)
def test_files_that_make_no_sense_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        FileSource(written(tmp_path, content))


def test_a_batch_size_below_one_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, csv_lines([]))
    with pytest.raises(ValueError, match="batch_size is 0, it must be at least 1"):
        FileSource(path, batch_size=0)


def test_json_and_csv_of_the_same_events_are_the_same(tmp_path: Path) -> None:
    rows = [(SECONDS + n, f"u{n}", f"i{n}", "click") for n in range(5)]
    from_csv, _ = read(FileSource(written(tmp_path, csv_lines(rows))))
    lines = [
        json.dumps(
            {"time_ms": s * 1_000, "user_id": u, "item_id": i, "kind": k, "event_id": f"e{n}"}
        )
        for n, (s, u, i, k) in enumerate(rows)
    ]
    from_json, _ = read(FileSource(written(tmp_path, "\n".join(lines).encode(), "a.jsonl")))
    for (_, one), (_, other) in zip(from_csv, from_json, strict=True):
        assert isinstance(one, Interaction)
        assert isinstance(other, Interaction)
        assert (one.user_id, one.item_id, one.time_ms) == (
            other.user_id,
            other.item_id,
            other.time_ms,
        )


@pytest.mark.parametrize("seconds", ["1e308", "-1e308", "1e300"])
def test_seconds_that_no_clock_shows_are_refused(tmp_path: Path, seconds: str) -> None:
    rows = b'{"user_id": "u", "item_id": "i", "kind": "click", "t": %s}'
    lines = b"\n".join(rows % text.encode() for text in (str(SECONDS), seconds))
    path = written(tmp_path, lines, "a.jsonl")
    [(_, good), (_, bad)], _ = read(FileSource(path, mapping={"time_s": "t"}))
    assert isinstance(good, Interaction)
    assert isinstance(bad, Refused)
    assert bad.reason == "time"
