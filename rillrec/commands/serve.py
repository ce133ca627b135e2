"""``rillrec serve``: the scorer alone."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from rillrec.exits import INTERRUPTED
from rillrec.options import ConfigFile, DataDir, Kafka, ModelName, Parent, settings_of

if TYPE_CHECKING:
    from schemas.settings import Settings
    from serving.server import ScorerServer


def serve(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    model: ModelName = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on [default: 127.0.0.1].", show_default=False),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="TCP port of gRPC; 0 takes a free one [default: 50051].", show_default=False
        ),
    ] = None,
    kafka: Kafka = None,
    reuse_port: Annotated[
        bool, typer.Option("--reuse-port", help="Let several scorers share the port.")
    ] = False,
    parent: Parent = None,
) -> None:
    """Serve a model over gRPC.

    Recommend, Score, SimilarItems, Track, Forget, GetModelInfo. Needs neither torch nor Bytewax.
    Reads the Redis of the settings, or the one that `rillrec up`, `flow` or `replay --into` left
    in the data directory, and follows the model there as it learns. Events that are tracked, and
    impressions of the slates that are served, go to Kafka where the settings name brokers.

    \b
    Examples:
      rillrec serve --model ml100k
      rillrec serve --port 6000 --host 0.0.0.0
      rillrec serve --kafka broker:9092
      RILLREC_STORE__REDIS_URL=redis://redis:6379 rillrec serve
      grpcurl -plaintext -d '{"user_id": "u1", "k": 5}' \\
        localhost:50051 rillrec.v1.Scorer/Recommend
    """
    from rillrec.parent import end_with_parent

    end_with_parent(parent)
    from rillrec.logs import log_to_stderr
    from rillrec.stores import redis_of

    settings = settings_of(
        config,
        data_dir=data_dir,
        model=model,
        serve={"host": host, "port": port},
        kafka={"brokers": kafka},
    )
    log_to_stderr()
    with redis_of(settings) as url:
        _note_missing_model(url, settings)
        interrupted = _serve(url, settings, reuse_port=reuse_port)
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def _serve(url: str, settings: Settings, *, reuse_port: bool) -> bool:
    """Serve until a signal comes; return whether it was Ctrl-C."""
    from serving.running import run
    from serving.server import ScorerServer

    serving = settings.serve
    server = ScorerServer(
        url,
        name=settings.model.name,
        rules=settings.stream.rules(),
        host=serving.host,
        port=serving.port if reuse_port else _port(settings, "port"),
        metrics_port=_port(settings, "metrics_port") if serving.metrics_port else 0,
        reuse_port=reuse_port,
        kafka=settings.kafka,
        log_impressions=serving.log_impressions,
        slates=settings.slates.rules(),
    )
    interrupted = []

    def interrupt() -> None:
        interrupted.append(True)
        os.kill(os.getpid(), signal.SIGTERM)  # by which the server ends in order

    def started(server: ScorerServer) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
        typer.echo(
            f"the scorer of model {settings.model.name!r} listens on {server.host}:{server.port} "
            "(gRPC)"
        )
        if settings.kafka.brokers:
            typer.echo(f"events go to Kafka at {settings.kafka.brokers}")

    run(server, on_start=started)
    return bool(interrupted)


def _port(settings: Settings, key: str) -> int:
    from rillrec.ports import choose_port

    return choose_port(
        f"serve.{key}",
        getattr(settings.serve, key),
        host=settings.serve.host,
        asked_for=key in settings.serve.model_fields_set,
        tell=partial(typer.echo, err=True),
    )


def _note_missing_model(url: str, settings: Settings) -> None:
    from rillrec.stores import alias_at, store_at
    from schemas.errors import StoreUnavailable

    # The scorer itself waits for a Redis that is away.
    with suppress(StoreUnavailable), alias_at(url, settings) as alias:
        model = alias.serves()
        store = store_at(url, settings, model=model)
        try:
            missing = not store.version()
        finally:
            store.close()
        if missing:
            typer.echo(
                f"note: no model called {model!r} is published yet: slates stay empty until a flow "
                "learns one",
                err=True,
            )
