"""Which column means what: as the option says, else as its name does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.errors import SourceError

ALIASES: dict[str, tuple[str, ...]] = {
    "event_id": ("event_id", "eventid"),
    "user_id": (
        "user_id", "user", "userid", "uid", "visitor_id", "visitorid", "visitor", "customer_id",
        "customerid", "customer", "member_id", "account_id",
    ),
    "item_id": (
        "item_id", "item", "itemid", "iid", "product_id", "productid", "product", "article_id",
        "articleid", "movie_id", "movieid", "track_id", "content_id", "sku", "asin",
    ),
    "kind": ("kind", "event_type", "eventtype", "event", "type", "action", "event_name"),
    "time_ms": ("time_ms", "timestamp_ms", "ts_ms", "event_time_ms"),
    "time_s": ("time_s", "timestamp_s", "ts_s", "event_time_s"),
    "time": ("ts", "time", "timestamp", "event_time", "datetime", "date", "created_at"),
    "session_id": ("session_id", "session", "sessionid"),
    "request_id": ("request_id", "requestid"),
    "position": ("position",),
    "value": ("value", "rating", "stars"),
}  # fmt: skip
"""Fields to the names by which they are known, the surest first. ``time`` says no unit."""

TIMES = ("time_ms", "time_s", "time")


def columns_of(names: Sequence[str], mapping: Mapping[str, str], *, where: str) -> dict[str, str]:
    """Return the column of each field that has one; at most one of ``TIMES`` is among them.

    Parameters
    ----------
    names
        The columns that are there.
    mapping
        Field to column: what was said outright.
    where
        The file, for errors.

    Raises
    ------
    SourceError
        The mapping names an unknown field or a column that is not there.

    Examples
    --------
    >>> columns_of(["ts", "user", "sku"], {"item_id": "sku"}, where="a.csv")
    {'item_id': 'sku', 'user_id': 'user', 'time': 'ts'}
    """
    for field, column in mapping.items():
        if field not in ALIASES:
            raise SourceError(f"no field is called {field!r}: map one of {', '.join(ALIASES)}")
        if column not in names:
            raise SourceError(
                f"{where} has no column {column!r} for {field}: it has {', '.join(names)[:400]}"
            )
    if sum(field in mapping for field in TIMES) > 1:
        raise SourceError(f"map one of {', '.join(TIMES)}, not several: an event has one time")
    found = dict(mapping)
    free = {_plain(name): name for name in reversed(names) if name not in mapping.values()}
    for field, aliases in ALIASES.items():
        if field in found or (field in TIMES and any(time in found for time in TIMES)):
            continue
        for alias in aliases:
            if alias in free:
                found[field] = free.pop(alias)
                break
    return found


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def need(columns: Mapping[str, str], names: Sequence[str], *, where: str) -> None:
    """Raise ``SourceError`` where the user, the item or the time can't be told.

    Examples
    --------
    >>> need({"user_id": "u"}, ["u"], where="a.csv")
    Traceback (most recent call last):
        ...
    schemas.errors.SourceError: a.csv: which column is item_id? It has u. Say --map item_id=COLUMN
    """
    for field in ("user_id", "item_id", "time"):
        if field in columns or (field == "time" and any(time in columns for time in TIMES)):
            continue
        raise SourceError(
            f"{where}: which column is {field}? It has {', '.join(names)[:400]}. "
            f"Say --map {field}=COLUMN"
        )
