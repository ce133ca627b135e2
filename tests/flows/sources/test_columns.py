"""Which column means what."""

from __future__ import annotations

import pytest

from flows.sources.columns import columns_of, need
from schemas.errors import SourceError


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("ts,user,item,event_type,value", "time,user_id,item_id,kind,value"),
        ("timestamp,visitorid,event,itemid,transactionid", "time,user_id,kind,item_id,"),
        ("userId,movieId,rating,timestamp", "user_id,item_id,value,time"),
        ("Session-ID,Event Time,uid,sku", "session_id,time,user_id,item_id"),
        ("time_ms,timestamp,user_id,uid,item_id", "time_ms,,user_id,,item_id"),
    ],
)
def test_columns_are_told_by_their_names(header: str, found: str) -> None:
    names = header.split(",")
    wanted = {field: name for name, field in zip(names, found.split(","), strict=True) if field}
    assert columns_of(names, {}, where="a.csv") == wanted


def test_what_is_said_outright_wins() -> None:
    names = ["user", "who", "item", "when", "ts"]
    columns = columns_of(names, {"user_id": "who", "time_s": "when"}, where="a.csv")
    assert columns == {"user_id": "who", "time_s": "when", "item_id": "item"}


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(
        SourceError, match=r"no field is called 'usr': map one of event_id, user_id"
    ):
        columns_of(["u"], {"usr": "u"}, where="a.csv")


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(SourceError, match=r"a\.csv has no column 'w' for user_id: it has u, v"):
        columns_of(["u", "v"], {"user_id": "w"}, where="a.csv")


def test_two_times_are_refused() -> None:
    with pytest.raises(SourceError, match="an event has one time"):
        columns_of(["a", "b"], {"time_ms": "a", "time": "b"}, where="a.csv")


@pytest.mark.parametrize("missing", ["user_id", "item_id", "time"])
def test_a_field_that_cannot_be_told_is_asked_for(missing: str) -> None:
    columns = {"user_id": "u", "item_id": "i", "time": "t"}
    del columns[missing]
    with pytest.raises(
        SourceError, match=rf"which column is {missing}\? .* --map {missing}=COLUMN"
    ):
        need(columns, ["u", "i", "t"], where="a.csv")
