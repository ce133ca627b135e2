"""``rillrec produce``: a file's events into Kafka."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rillrec.exits import INTERRUPTED
from rillrec.options import (
    AsJson,
    Brokers,
    Columns,
    ConfigFile,
    EventFile,
    MinValue,
    check_apart,
    columns_said,
    need_flow_extra,
    need_kafka_extra,
    settings_of,
)
from schemas.errors import RillrecError

if TYPE_CHECKING:
    from rillrec.producing import Producing


def produce(
    file: EventFile,
    brokers: Brokers = None,
    rate: Annotated[
        float,
        typer.Option(min=0, help="Events a second; 0 sends as fast as the brokers take them."),
    ] = 0.0,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Read only so many rows.", show_default=False)
    ] = None,
    column: Columns = None,
    min_value: MinValue = None,
    dead_letters: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write refused rows here.", show_default=False),
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Send a file's events to Kafka.

    Reads CSV or JSON lines, plain or gzip, as `rillrec replay` does: columns are told by their
    names unless --map says otherwise. Each row becomes an event as JSON, keyed by its user, in the
    topic of its type (lines of JSON may say `"type": "item"`). Rows that break the contract are
    counted, and not sent. Ends when the brokers have acknowledged all; Ctrl-C waits for what was
    sent. Rows without an event id are known by their number, so that the same file sent twice in a
    row is counted once.

    \b
    Examples:
      rillrec produce clicks.csv.gz --brokers localhost:9092
      rillrec produce clicks.csv.gz --brokers kafka:9092 --rate 1000 --limit 100000
      rillrec produce log.jsonl --map user_id=who --dead-letters refused.jsonl --json
    """
    need_flow_extra("produce")
    need_kafka_extra("produce")
    check_apart(file, dead_letters)
    settings = settings_of(config, kafka={"brokers": brokers})
    from flows.dead_letters import DeadLetterFile
    from flows.sources.file import FileSource
    from rillrec.producing import Producing
    from rillrec.sender import Sender
    from rillrec.signals import orderly_end

    source = FileSource(
        file,
        mapping=columns_said(column),
        min_value=min_value,
        limit=limit,
        batch_size=max(1, min(1_000, round(rate / 5))) if rate else 1_000,
    )
    typer.echo(f"{file.name}: {source.head.told}", err=True)
    with ExitStack() as stack:
        letters = stack.enter_context(DeadLetterFile(dead_letters)) if dead_letters else None
        ending = stack.enter_context(orderly_end(patient=True))
        sender = Sender(settings.kafka, rate=rate, check=ending.check)
        producing = Producing(source, sender, settings.kafka, dead_letters=letters)
        failure = _run(producing, name=file.name)
    _print(producing.report(), as_json=as_json)
    for reason, first in producing.first.items():
        typer.echo(f"note: {producing.refused[reason]:,} refused ({reason}): {first}", err=True)
    if isinstance(failure, KeyboardInterrupt):
        raise typer.Exit(INTERRUPTED)
    if failure is not None:
        raise failure


def _run(producing: Producing, *, name: str) -> RillrecError | KeyboardInterrupt | None:
    """Return why it broke off, if that is worth telling: first comes what was sent."""
    from rillrec.progress import RowsBar
    from rillrec.signals import Terminated

    try:
        with RowsBar(producing.source, producing.tally, name=name):
            producing.run()
    except (RillrecError, KeyboardInterrupt) as error:
        return error
    except Terminated:
        return None  # as it was asked to
    return None


def _print(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        import orjson

        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        return
    sent = sum(report["sent"].values())
    parts = [f"{report['rows']:,} rows", f"{sent:,} events sent"]
    if len(report["sent"]) > 1:
        parts[-1] += f" ({', '.join(f'{n:,} {topic}' for topic, n in report['sent'].items())})"
    if report["acknowledged"] < sent:
        parts.append(f"only {report['acknowledged']:,} acknowledged")
    others = {"filtered": report["filtered"], "refused": sum(report["refused"].values())}
    parts += [f"{count:,} {word}" for word, count in others.items() if count]
    typer.echo(f"{', '.join(parts)}; {report['seconds']:.1f} s, {report['events_per_s']:,}/s")
