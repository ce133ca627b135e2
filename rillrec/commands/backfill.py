"""``rillrec backfill``: a new model from the retained log, next to the live one."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated

import typer

from rillrec.exits import OK
from rillrec.options import (
    ConfigFile,
    DataDir,
    Kafka,
    ModelName,
    Repeats,
    Unit,
    Workers,
    need_flow_extra,
    settings_of,
)
from schemas.errors import SettingsError

if TYPE_CHECKING:
    from schemas.settings import Settings


def backfill(
    into: Annotated[
        str,
        typer.Option(metavar="NAME", help="The model to build. A new name.", show_default=False),
    ],
    since: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="TIME",
            help="From when on: earliest, a time in ISO format, or milliseconds since 1970.",
            show_default=False,
        ),
    ],
    switch: Annotated[
        bool,
        typer.Option("--switch", help="Have flow and scorers use it as soon as it is level."),
    ] = False,
    model: ModelName = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    unit: Unit = None,
    repeats: Repeats = None,
    workers: Workers = None,
) -> None:
    """Build a new model from what Kafka retains.

    Users and model are built beside the present ones, which stay in service meanwhile.
    For settings that a model can't change (hyper-parameters, unit, how sessions are cut), and for
    a model that was fed wrongly. Items are read from the beginning of their topic, everything else
    from --from on; who was forgotten stays forgotten. When it is level with the log it ends, and
    `rillrec switch NAME` has it served. What is killed goes on by the same command.

    \b
    Examples:
      rillrec backfill --kafka broker:9092 --model shop --into shop-2 --from 2026-01-01
      rillrec backfill --kafka broker:9092 --model shop --into shop-3 --from earliest --switch
    """
    need_flow_extra("backfill")
    from rillrec.backfill_plan import since_of
    from rillrec.logs import log_to_stderr

    try:
        start = since_of(since)
    except ValueError:
        raise typer.BadParameter(
            f"{since!r} is no time such as 2026-01-31T12:00, nor `earliest`", param_hint="--from"
        ) from None
    said = {"unit": unit, "repeats": repeats}
    served = settings_of(
        config, data_dir=data_dir, model=model, stream=said, kafka={"brokers": kafka}
    )
    built = settings_of(
        config,
        data_dir=data_dir,
        model=into,
        stream=said,
        kafka={"brokers": kafka, "start": start},
    )
    if not served.kafka.brokers:
        raise SettingsError(
            "a backfill reads Kafka, and kafka.brokers is empty: say --kafka. The embedded log "
            "keeps nothing that was learnt; `rillrec replay FILE --into` reads files"
        )
    log_to_stderr()
    code = _build(served, built, workers=workers or 1, then_switch=switch)
    if code != OK:
        raise typer.Exit(code)


def _build(served: Settings, built: Settings, *, workers: int, then_switch: bool) -> int:
    from flows.outlets import outlets_of
    from rillrec.backfill_progress import BackfillProgress
    from rillrec.backfilling import Backfill
    from rillrec.stores import redis_of
    from rillrec.switching import switch, told
    from serving.store.wire import Wire

    name, into = served.model.name, built.model.name
    with ExitStack() as stack:
        url = stack.enter_context(redis_of(served))
        wire = stack.enter_context(closing(Wire(url, timeout_s=5.0)))
        # What is refused was sent to its topic when it was first read.
        outlets = stack.enter_context(outlets_of(built.kafka, letters=False))
        run = Backfill(built, name=name, url=url, wire=wire, outlets=outlets, workers=workers)
        stack.callback(run.close)
        typer.echo(f"{'going on with' if run.goes_on else 'building'} {into!r} for {name!r}")
        with BackfillProgress(run, tell=typer.echo):
            code = run.run()
        if run.ended_early:
            typer.echo(f"ended before {into!r} is level: the same command goes on")
            return code
        if then_switch:
            former = switch(served, url, wire, into)
            typer.echo(told(name, into, former))
        else:
            typer.echo(f"{into!r} is level; `rillrec switch {into} --model {name}` has it served")
        return code
