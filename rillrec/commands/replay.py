"""``rillrec replay``: how well would it have predicted these events?"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rillrec.exits import OK
from rillrec.options import (
    AsJson,
    Columns,
    ConfigFile,
    DataDir,
    EventFile,
    MinValue,
    Repeats,
    Unit,
    check_apart,
    columns_said,
    need_flow_extra,
    settings_of,
)

if TYPE_CHECKING:
    from flows.sources.file import FileSource
    from rillrec.replaying import Protocol, Replay
    from schemas.settings import Settings


def replay(
    file: EventFile,
    unit: Unit = None,
    repeats: Repeats = None,
    min_value: MinValue = None,
    column: Columns = None,
    score_every: Annotated[
        int, typer.Option(min=1, help="Score every n-th session or user. Changes no learning.")
    ] = 1,
    warm_up: Annotated[
        float,
        typer.Option(min=0, max=0.99, help="Share of events, at the beginning, not reported."),
    ] = 0.1,
    top: Annotated[int, typer.Option(min=20, max=1000, help="Length of the slates.")] = 20,
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 0,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Read only so many rows.", show_default=False)
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Keep users and model in the store under this name, for `rillrec serve`. A model "
            "that a broken-off replay left goes on where it was.",
            show_default=False,
        ),
    ] = None,
    dead_letters: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write refused rows here.", show_default=False),
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Predict each event of a file, then learn from it.

    Runs the flow's own steps. Reads CSV or JSON lines, plain or gzip. Columns are told by their
    names (user, item, ts, …) unless --map says otherwise. Reports how often the next item was
    on the slate as it stood just before, for the whole and for each source alone.

    \b
    Examples:
      rillrec replay ratings.csv --unit user --min-value 4
      rillrec replay clicks.csv.gz --unit session --repeats allow --json
      rillrec replay log.jsonl.gz --map user_id=who --map item_id=sku --limit 100000
      rillrec replay clicks.csv.gz --into shop && rillrec serve --model shop
    """
    need_flow_extra("replay")
    check_apart(file, dead_letters)
    settings = settings_of(
        config,
        data_dir=data_dir,
        model=into,
        stream={"unit": unit, "repeats": repeats},
    )
    from flows.sources.file import FileSource
    from rillrec.replaying import Protocol

    source = FileSource(
        file,
        mapping=columns_said(column),
        min_value=min_value,
        batch_size=settings.flow.batch_size,
        limit=limit,
    )
    protocol = Protocol(top=top, score_every=score_every, warm_up=warm_up, seed=seed)
    run, code = _run(source, settings, protocol, keep=into is not None, dead_letters=dead_letters)
    _print(run.report(), as_json=as_json)
    _note_refusals(run, file)
    if into:
        _tell_how_to_serve(into)
    if run.failure is not None:
        raise run.failure
    if code != OK:
        raise typer.Exit(code)


def _run(
    source: FileSource,
    settings: Settings,
    protocol: Protocol,
    *,
    keep: bool,
    dead_letters: Path | None,
) -> tuple[Replay, int]:
    from flows.dead_letters import DeadLetterFile
    from rillrec.progress import RowsBar
    from rillrec.replaying import Replay
    from rillrec.stores import store_of

    with ExitStack() as stack:
        store = stack.enter_context(store_of(settings, lingers=True)) if keep else None
        letters = stack.enter_context(DeadLetterFile(dead_letters)) if dead_letters else None
        run = Replay(source, settings, store=store, protocol=protocol, dead_letters=letters)
        _note_start(run)
        with RowsBar(source, run.tally, name=source.path.name):
            code = run.run()
        if keep:
            run.keep_base()
    return run, code


def _note_start(run: Replay) -> None:
    if run.starts_at:
        typer.echo(f"note: the model knows the rows before {run.starts_at:,}: going on", err=True)


def _note_refusals(run: Replay, file: Path) -> None:
    if run.tally.rejected:
        typer.echo(
            f"note: {run.tally.rejected:,} rows were refused: `rillrec validate {file}` tells why",
            err=True,
        )


def _print(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        import orjson

        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        return
    from rich.console import Console

    from rillrec.report import print_report

    print_report(report, Console(highlight=False))


def _tell_how_to_serve(name: str) -> None:
    typer.echo(f"serve it: rillrec serve --model {name}", err=True)
