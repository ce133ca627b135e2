"""``rillrec flow``: the dataflow alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rillrec.exits import OK, code_of
from rillrec.options import (
    ConfigFile,
    DataDir,
    Kafka,
    ModelName,
    Parent,
    Repeats,
    Start,
    Unit,
    Workers,
    need_flow_extra,
    settings_of,
)
from schemas.errors import RillrecError, SettingsError

if TYPE_CHECKING:
    from flows.cluster import Cluster
    from schemas.settings import Settings


def flow(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    model: ModelName = None,
    kafka: Kafka = None,
    start: Start = None,
    unit: Unit = None,
    repeats: Repeats = None,
    workers: Workers = None,
    processes: Annotated[
        int,
        typer.Option(
            min=1, max=64, help="Start so many processes on this machine, and keep them running."
        ),
    ] = 1,
    process_id: Annotated[
        int | None,
        typer.Option(
            help="Which of --addresses is this process; from 0 on [env: BYTEWAX_PROCESS_ID].",
            show_default=False,
        ),
    ] = None,
    addresses: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT;…",
            help="Where all processes of this flow are [env: BYTEWAX_ADDRESSES].",
            show_default=False,
        ),
    ] = None,
    hostfile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The addresses, one a line [env: BYTEWAX_HOSTFILE_PATH].",
            show_default=False,
        ),
    ] = None,
    parent: Parent = None,
) -> None:
    """Learn from the events, and publish the model.

    Events come from Kafka where brokers are set, else from the log that Track appends to. One flow
    at a time may write a model. Ctrl-C or SIGTERM ends it in order: what was read is learnt and
    published first. After a crash it goes on where it was, and counts nothing twice.

    More workers read, decode and keep users on more cores; partitions are spread over them. Several
    processes end together, and are to be started again together: --processes does that on one
    machine; elsewhere it is for whoever starts them.

    \b
    Examples:
      rillrec flow
      rillrec flow --model shop --config rillrec.toml
      rillrec flow --kafka broker:9092 --processes 2 --workers 2
      rillrec flow --kafka broker:9092 --process-id 0 --addresses "one:2101;two:2101"
      RILLREC_STORE__REDIS_URL=redis://redis:6379 rillrec flow
    """
    from rillrec.parent import end_with_parent

    end_with_parent(parent)
    need_flow_extra("flow")
    from flows.cluster import cluster_of
    from rillrec.logs import log_to_stderr

    settings = settings_of(
        config,
        data_dir=data_dir,
        model=model,
        stream={"unit": unit, "repeats": repeats},
        kafka={"brokers": kafka, "start": start},
    )
    log_to_stderr()
    if processes > 1:
        if process_id is not None or addresses is not None or hostfile is not None:
            raise typer.BadParameter(
                "--processes starts processes that know their place: say it alone",
                param_hint="--processes",
            )
        _launch(settings, processes, cluster_of({}, workers=workers).workers, start)
        return
    cluster = cluster_of(
        os.environ, workers=workers, process=process_id, addresses=addresses, hostfile=hostfile
    )
    learn = _split if cluster.is_split else _learn
    code = learn(settings, cluster, said=start is not None)
    if code != OK:
        raise typer.Exit(code)


def _learn(settings: Settings, cluster: Cluster, *, said: bool) -> int:
    from rillrec.stores import alias_at, redis_of

    with redis_of(settings) as url:
        with alias_at(url, settings) as alias:
            model = alias.serves()  # Redis answers, or this says so
            where = (
                f"Kafka at {brokers}" if (brokers := settings.kafka.brokers) else "the event log"
            )
            typer.echo(f"model {model!r} learns from {where}, in Redis at {alias.address}")
        from rillrec.learning import learn

        return learn(settings, url, cluster=cluster, said=said)


def _split(settings: Settings, cluster: Cluster, *, said: bool) -> int:
    """Be one process of several, and end without the threads that the engine leaves behind."""
    from rillrec.engine import leave

    if not settings.store.redis_url.get_secret_value():
        raise SettingsError("several processes share one Redis: set store.redis_url")
    try:
        code = _learn(settings, cluster, said=said)
    except RillrecError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        code = code_of(error)
    leave(code)


def _launch(settings: Settings, processes: int, workers: int, start: str | None) -> None:
    from rillrec.launching import Launcher
    from rillrec.signals import orderly_end
    from rillrec.stores import alias_at, redis_of

    with orderly_end() as ending, redis_of(settings) as url:
        with alias_at(url, settings) as alias:
            alias.serves()  # Redis answers, or this says so
        launcher = Launcher(
            settings,
            ["flow", "--workers", str(workers)],
            at_first=[] if start is None else ["--from", start],
            processes=processes,
            redis_url=url,
            tell=typer.echo,
            tell_line=typer.echo,
        )
        launcher.run(ending.check)
