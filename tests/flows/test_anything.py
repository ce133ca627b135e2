"""Whatever comes in, the flow goes on: a byte string is an event that fits, or a refusal."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from flows.batches import Happening, Piece, Record, Refused
from flows.dead_letters import line_of
from flows.decode import decode_json
from flows.sessionise import Sessionise
from flows.shard import DecodedBatch, _cut
from flows.sources.csv_layout import CsvLayout
from flows.sources.csv_rows import CsvRows
from flows.sources.json_rows import JsonRows
from flows.sources.times import reader_of
from flows.tally import Tally
from schemas.metrics import REASONS
from schemas.user_codec import decode_user, encode_user
from serving.store import MemoryStore
from tests.flows.streams import NOW_MS, RULES, interaction, payload

VALUES: list[Any] = [
    None, True, -1, 0, 0.5, 1e308, 2**53, 2**63, 2**64, -(2**70), 10**400, "", "x", "\0", "\n",
    "\u2028", "\ud800", "é" * 128, "é" * 129, "x" * 256, "x" * 257, "\uff11\uff12", [], {}, [[]],
    {"": ""}, {"a": 2**63}, {"a": None}, {"a": 1e308}, {"k" * 65: 1}, {"a": "v" * 1_025},
]  # fmt: skip
FIELDS = (
    "event_id", "user_id", "item_id", "kind", "time_ms", "session_id", "request_id", "position",
    "value", "context", "type",
)  # fmt: skip
COLUMNS = {
    "event_id": "e", "user_id": "u", "item_id": "i", "kind": "k", "time_ms": "t",
    "session_id": "s", "request_id": "r", "position": "p", "value": "v",
}  # fmt: skip


def check(happenings: list[Happening]) -> None:
    """Run what was decoded through the steps that follow, and through what is stored of it."""
    for happening in happenings:
        if isinstance(happening[1], Refused):
            assert happening[1].reason in REASONS
            assert len(happening[1].message) < 2_000
    store = MemoryStore()
    sessionise = Sessionise(store, RULES, tally=Tally())
    for shard, piece in _cut(DecodedBatch("t", 0, 0, 99, happenings)):
        assert isinstance(piece, Piece)
        [settled], _ = Sessionise(store, RULES, tally=Tally()).on_batch([piece])
        if settled.write is not None:
            assert settled.write.shard == shard
            for user_id, state in settled.write.states.items():
                assert decode_user(user_id, encode_user(state)) == state
            for letter in settled.write.dead:
                assert json.loads(line_of(letter))["reason"] == letter.reason
            store.write_shards([settled.write])
    sessionise.snapshot()


@st.composite
def events(draw: st.DrawFn) -> bytes:
    fields = interaction(draw(st.integers(0, 3)))
    for _ in range(draw(st.integers(0, 3))):
        fields[draw(st.sampled_from(FIELDS))] = draw(st.sampled_from(VALUES))
    raw = payload(fields)
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=3)) + raw[at + draw(st.integers(0, 3)) :]
    return raw


@given(st.lists(st.one_of(events(), st.binary(max_size=40)), max_size=6))
@example([b'{"user_id": "\\ud800"}'])
@settings(max_examples=300)
def test_any_json_is_an_event_or_a_refusal(lines: list[bytes]) -> None:
    for kind in ("interaction", "impression", "item", "forget"):
        happenings, _ = decode_json([(n, kind, x) for n, x in enumerate(lines)], now_ms=NOW_MS)
        assert [raw for _, _, raw in happenings] == lines
        check(happenings)
    rows = JsonRows({"user_id": "user_id", "time_ms": "time_ms"}, row_tag="tag")
    records: list[Record] = [(n, "", line) for n, line in enumerate(lines)]
    happenings, filtered = rows(records, now_ms=NOW_MS)
    blank = sum(not line.removeprefix(b"\xef\xbb\xbf").strip() for line in lines[:1])
    blank += sum(not line.strip() for line in lines[1:])
    assert len(happenings) + filtered + blank == len(lines)
    check(happenings)


texts = st.one_of(
    st.sampled_from([str(value) for value in VALUES if value != "\ud800"]),
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(["1760000000", "u1", "i1", "click", '"', '"a""b"']),
)


@given(st.lists(st.lists(texts, min_size=8, max_size=11).map(",".join), max_size=5))
@settings(max_examples=300)
def test_any_row_is_an_event_or_a_refusal(lines: list[str]) -> None:
    layout = CsvLayout(names=(*COLUMNS.values(), "other"), columns=COLUMNS, row_tag="tag")
    for unit in ("s", "ms", "iso"):
        records: list[Record] = [
            (n, "", line.replace("\n", " ").encode()) for n, line in enumerate(lines)
        ]
        happenings, filtered = CsvRows(layout, reader_of(unit))(records, now_ms=NOW_MS)
        assert (len(happenings), filtered) == (len(lines), 0)
        check(happenings)
