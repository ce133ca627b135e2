"""Rows without a user are their session's, where they have one; else they are refused."""

from __future__ import annotations

import json
from pathlib import Path

from flows.batches import Refused
from flows.sources.file import FileSource
from schemas.events import Interaction
from tests.flows.sources.test_file import read, written
from tests.flows.streams import START_MS, csv_lines

HEADER = "event_id,user_id,item_id,time_ms,session_id"


def users(path: Path) -> list[str]:
    happenings, _ = read(FileSource(path))
    found = [event for _, event in happenings]
    assert all(isinstance(event, Interaction | Refused) for event in found)
    return [
        event.user_id if isinstance(event, Interaction) else getattr(event, "message", "")
        for event in found
    ]


def test_rows_of_csv(tmp_path: Path) -> None:
    rows = [
        ("a", "ann", "i", START_MS, "s"),
        ("b", "", "i", START_MS, "s"),
        ("c", "", "i", START_MS, ""),
    ]
    assert users(written(tmp_path, csv_lines(rows, HEADER))) == [
        "ann",
        "anonymous:s",
        "column 'user_id' (user_id) is empty",
    ]


def test_lines_of_json(tmp_path: Path) -> None:
    click = {"event_id": "e", "item_id": "i", "kind": "click", "time_ms": START_MS}
    lines = [{**click, "user_id": "ann"}, {**click, "session_id": "s"}, click]
    content = "\n".join(map(json.dumps, lines)).encode()
    *known, refused = users(written(tmp_path, content, "events.jsonl"))
    assert known == ["ann", "anonymous:s"]
    assert refused.endswith("missing required field `user_id` - at `$.user_id`")
