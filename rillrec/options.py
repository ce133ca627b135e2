"""Options that several commands share, and the settings that they lead to."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.errors import ExtraMissing

if TYPE_CHECKING:
    from schemas.settings import Settings

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings in TOML. Else RILLREC_CONFIG, else ./rillrec.toml where there is one.",
        show_default=False,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Where the embedded Redis keeps its data [default: ~/.local/share/rillrec].",
        show_default=False,
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="NAME", help="Which model [default: default].", show_default=False
    ),
]


class UnitName(StrEnum):
    """What is learnt and recommended."""

    session = "session"
    user = "user"


class RepeatsName(StrEnum):
    """Whether what the unit holds already may be recommended."""

    allow = "allow"
    exclude = "exclude"


Unit = Annotated[
    UnitName | None,
    typer.Option(
        "--unit",
        help="The next item within the session, or of the user [default: session].",
        show_default=False,
    ),
]
Repeats = Annotated[
    RepeatsName | None,
    typer.Option(
        "--repeats",
        help="Whether items of the same unit may be recommended again "
        "[default: allow for sessions, exclude for users].",
        show_default=False,
    ),
]
EventFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="CSV with a header or JSON lines; may be gzipped."),
]
MinValue = Annotated[
    float | None,
    typer.Option(
        "--min-value",
        help="Drop rows whose value is lower; those without one pass.",
        show_default=False,
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="FIELD=COLUMN",
        help="Which column holds a field, where its name does not tell. Repeat it for more: "
        "user_id, item_id, time_ms, time_s, kind, event_id, session_id, request_id, position, "
        "value.",
        show_default=False,
    ),
]
Kafka = Annotated[
    str | None,
    typer.Option(
        "--kafka",
        metavar="BROKERS",
        help="Kafka's brokers, host:port with commas between [default: none, the embedded log].",
        show_default=False,
    ),
]
Brokers = Annotated[
    str | None,
    typer.Option(
        "--brokers",
        "--kafka",
        metavar="BROKERS",
        help="Kafka's brokers, host:port with commas between [default: kafka.brokers].",
        show_default=False,
    ),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="WHERE",
        help="Where to begin in Kafka this time: resume, earliest, latest or a time, but never "
        "before what the model has absorbed [default: resume; new models at kafka.start].",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=256,
        help="Threads of each process [default: 1; env: BYTEWAX_WORKERS_PER_PROCESS].",
        show_default=False,
    ),
]
Parent = Annotated[int | None, typer.Option("--parent", hidden=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]


def settings_of(
    config: Path | None = None,
    *,
    data_dir: Path | None = None,
    model: str | None = None,
    serve: Mapping[str, Any] | None = None,
    stream: Mapping[str, Any] | None = None,
    kafka: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings: what was said as options, over the environment, over the file.

    Options that are ``None`` were not given, and say nothing.
    """
    from schemas.settings_loading import load_settings

    said: dict[str, Mapping[str, Any]] = {
        "store": {"data_dir": data_dir},
        "model": {"name": model},
        "serve": serve or {},
        "stream": stream or {},
        "kafka": kafka or {},
    }
    given = {
        section: {key: _plain(value) for key, value in keys.items() if value is not None}
        for section, keys in said.items()
    }
    return load_settings(config, environ=os.environ, options=given)


def columns_said(said: list[str] | None) -> dict[str, str]:
    """Return field to column, from what ``--map FIELD=COLUMN`` said."""
    mapping = {}
    for text in said or []:
        field, equals, name = text.partition("=")
        if not (field and equals and name):
            raise typer.BadParameter(
                f"{text!r} is not of the form FIELD=COLUMN, such as user_id=who",
                param_hint="--map",
            )
        mapping[field] = name
    return mapping


def check_apart(file: Path, dead_letters: Path | None) -> None:
    """Raise where refused rows would be appended to the very file that they are read from.

    They would be read again, be refused again, without end.
    """
    if dead_letters and file.exists() and dead_letters.exists() and dead_letters.samefile(file):
        raise typer.BadParameter(
            f"{dead_letters} is the file that is read: name another", param_hint="--dead-letters"
        )


def need_flow_extra(command: str) -> None:
    """Raise ``ExtraMissing`` where the packages of ``rillrec[flow]`` are not installed."""
    missing = [name for name in ("bytewax", "torch") if importlib.util.find_spec(name) is None]
    if missing:
        raise ExtraMissing(
            f"`rillrec {command}` takes {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed: pip install 'rillrec[flow]'"
        )


def need_kafka_extra(command: str) -> None:
    """Raise ``ExtraMissing`` where Kafka's client is not installed."""
    if importlib.util.find_spec("confluent_kafka") is None:
        raise ExtraMissing(
            f"`rillrec {command}` takes confluent-kafka, which is not installed: "
            "pip install 'rillrec[kafka]'"
        )


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, StrEnum) else value
