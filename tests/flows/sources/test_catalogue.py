"""Files of items: CSV and lines of JSON, and what is said of those that are none."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from flows.sources.catalogue import read_catalogue
from schemas.errors import SourceError
from schemas.events import ItemUpdate


def written(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_columns_of_csv_are_fields_or_attributes(tmp_path: Path) -> None:
    path = written(
        tmp_path / "items.csv",
        "item,name,genres,year,price,in_stock,created\n"
        '1,"Tea, black",drinks|tea,1995,2.5,false,1700000000\n'
        "\n"
        "2,,,,,,\n",
    )
    assert read_catalogue(path) == [
        ItemUpdate(
            item_id="1",
            title="Tea, black",
            categories=("drinks", "tea"),
            price=2.5,
            in_stock=False,
            created_ms=1_700_000_000_000,
            attributes={"year": "1995"},
        ),
        ItemUpdate(item_id="2"),
    ]


def test_tabs_dates_and_gzip_will_do(tmp_path: Path) -> None:
    text = "sku\tcategory\tcreated\nx\ttea\t2023-11-14T22:13:20Z\n"
    [item] = read_catalogue(written(tmp_path / "items.tsv.gz", text))
    assert item == ItemUpdate(item_id="x", categories=("tea",), created_ms=1_700_000_000_000)


def test_lines_of_json_are_item_updates(tmp_path: Path) -> None:
    text = '{"item_id": "x", "categories": ["tea"], "colour": "red"}\n\n{"item_id": "y"}\n'
    assert read_catalogue(written(tmp_path / "items.jsonl", text)) == [
        ItemUpdate(item_id="x", categories=("tea",)),
        ItemUpdate(item_id="y"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty: there are no items to read"),
        ("title,year\na,b\n", "0 columns of title, year say which item a row is of"),
        ("item,id\na,b\n", "2 columns of item_id, item_id say which item"),
        ("item,title\na,b\nc\n", "line 3: the row has 1 columns, the header 2"),
        ("item,price\na,much\n", "line 2: Expected"),
        ("item,created\na,whenever\n", "line 2: could not convert"),
        ('{"item_id": "x"}\n{"title": "y"}\n', "line 2: Object missing required field `item_id`"),
        ('{"item_id": "x"}\n{"item_id"\n', "line 2: Input data was truncated"),
        (f"item,title\n{'x' * 1_048_577}\n", "line 2: 1,048,577 bytes are too many"),
    ],
)
def test_what_is_no_catalogue_is_refused_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(SourceError) as refused:
        read_catalogue(written(tmp_path / "items", text))
    assert said in str(refused.value)
    assert "items" in str(refused.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"missing\.csv"):
        read_catalogue(tmp_path / "missing.csv")
