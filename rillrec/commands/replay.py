"""``rillrec replay``: how well would it have predicted these events?"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rillrec.exits import OK
from rillrec.measures import ablation_figures, measures_said
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
    from online_models.prequential import Evaluator
    from rillrec.replaying import Protocol, Replay
    from schemas.settings import Settings


def replay(
    file: EventFile,
    unit: Unit = None,
    repeats: Repeats = None,
    min_value: MinValue = None,
    column: Columns = None,
    items: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The catalogue: CSV with a header, or lines of JSON (`rillrec schema`). Items are "
            "then alike by category, seller, attributes and title too, and known from their "
            "created_ms on, before their first event.",
            show_default=False,
        ),
    ] = None,
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
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME,…",
            help="Tell how far Rillrec is ahead of these, and whether by luck: its sources alone "
            "(popularity, rules, encoder, session; content, with --items), or neighbours, a model "
            "of similar sessions.",
            show_default=False,
        ),
    ] = None,
    ablate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME,…",
            help="Learn all anew without one of the sources (popularity, rules, encoder, session; "
            "content, with --items), the events' context (context), how long users paused and how "
            "far their units are (moment), or, where the unit is the session, a user's other ones "
            "(earlier): one more pass for each. Tell what it adds.",
            show_default=False,
        ),
    ] = None,
    sync_interval: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TIME,…",
            help="Tell what models do that get what is learnt only so often, in time of the "
            "events: 1s,1min,30min,1d. Users' histories stay fresh. Each takes a model's memory.",
            show_default=False,
        ),
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Predict each event of a file, then learn from it.

    Runs the flow's own steps. Reads CSV or JSON lines, plain or gzip. Columns are told by their
    names (user, item, ts, …) unless --map says otherwise. Reports how often the next item was
    on the slate as it stood just before: for the whole and for each source alone, for new users
    and old ones, for new items and well-known ones, and how sure these figures are.

    \b
    Examples:
      rillrec replay ratings.csv --unit user --min-value 4
      rillrec replay clicks.csv.gz --unit session --repeats allow --json
      rillrec replay log.jsonl.gz --map user_id=who --map item_id=sku --limit 100000
      rillrec replay clicks.csv.gz --compare rules,neighbours --ablate rules,encoder
      rillrec replay clicks.csv.gz --sync-interval 1min,30min,1d
      rillrec replay clicks.csv.gz --items items.csv --compare content --ablate content
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
    measures = measures_said(
        *(compare, ablate, sync_interval),
        unit=settings.stream.unit,
        into=into,
        items=items is not None,
    )
    from flows.sources.catalogue import read_catalogue
    from flows.sources.file import FileSource
    from rillrec.replaying import Protocol

    def source() -> FileSource:
        return FileSource(
            file,
            mapping=columns_said(column),
            min_value=min_value,
            batch_size=settings.flow.batch_size,
            limit=limit,
        )

    protocol = Protocol(
        top=top,
        score_every=score_every,
        warm_up=warm_up,
        seed=seed,
        compare=measures.compare,
        sync_ms=measures.sync_ms,
        items=tuple(read_catalogue(items)) if items else (),
    )
    run, code = _run(source(), settings, protocol, keep=into is not None, dead_letters=dead_letters)
    report = run.report()
    if measures.ablate and code == OK:
        report["ablation"], code = _ablation(run, source, settings, protocol, measures.ablate)
    _print(report, as_json=as_json, compared=measures.compare)
    _note_refusals(run, file)
    if into:
        _tell_how_to_serve(into)
    if run.failure is not None:
        raise run.failure
    if code != OK:
        raise typer.Exit(code)


def _ablation(
    full: Replay,
    source: Callable[[], FileSource],
    settings: Settings,
    protocol: Protocol,
    names: tuple[str, ...],
) -> tuple[dict[str, Any], int]:
    """Replay once more without each of them, until one is ended early; return what all add."""
    from msgspec.structs import replace

    evaluators: dict[str, Evaluator] = {}
    for name in names:
        without = replace(protocol, without=name, compare=(), sync_ms=())
        run, code = _run(source(), settings, without, keep=False, dead_letters=None)
        if code != OK:
            return ablation_figures(full.evaluator, evaluators), code
        evaluators[name] = run.evaluator
    return ablation_figures(full.evaluator, evaluators), OK


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
        without = f", without {protocol.without}" if protocol.without else ""
        with RowsBar(source, run.tally, name=f"{source.path.name}{without}"):
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


def _print(report: dict[str, Any], *, as_json: bool, compared: tuple[str, ...]) -> None:
    if as_json:
        import orjson

        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        return
    from rich.console import Console

    from rillrec.report import print_report

    print_report(report, Console(highlight=False), compared=compared)


def _tell_how_to_serve(name: str) -> None:
    typer.echo(f"serve it: rillrec serve --model {name}", err=True)
