"""Refused events in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.dead_letters import DeadLetterFile, line_of
from schemas.errors import SourceError
from serving.store import DeadLetter


def test_bytes_that_are_text_are_written_as_text() -> None:
    letter = DeadLetter("t", 0, 7, "interaction", "field", "wrong", "{ü".encode())
    assert json.loads(line_of(letter)) == {
        "topic": "t",
        "partition": 0,
        "offset": 7,
        "event_type": "interaction",
        "reason": "field",
        "message": "wrong",
        "text": "{ü",
    }


def test_other_bytes_are_written_in_base64() -> None:
    letter = DeadLetter("t", 0, 7, "interaction", "malformed", "wrong", b"\xff\x00")
    assert json.loads(line_of(letter))["base64"] == "/wA="


def test_letters_are_appended_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    letter = DeadLetter("t", 0, 7, "interaction", "field", "wrong", b"a\nb")
    for _ in range(2):
        with DeadLetterFile(path) as file:
            file.write([])
            file.write([letter, letter])
    assert len(path.read_text().splitlines()) == 4


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"can't be written to .*: Is a directory; name another"):
        DeadLetterFile(tmp_path)
