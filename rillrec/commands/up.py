"""``rillrec up``: Redis, the flow and the scorer, on this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from rillrec.options import (
    ConfigFile,
    DataDir,
    Kafka,
    ModelName,
    Repeats,
    Unit,
    need_flow_extra,
    settings_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from rillrec.local import Local
    from schemas.settings import Settings


def up(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    model: ModelName = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address of the scorer [default: 127.0.0.1].", show_default=False),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="TCP port of the scorer; 0 takes a free one [default: 50051, or a free one where "
            "that is taken].",
            show_default=False,
        ),
    ] = None,
    kafka: Kafka = None,
    broker: Annotated[
        bool,
        typer.Option(
            "--broker",
            help="Run a Kafka broker too, which takes Java (see rillrec broker), and its topics.",
        ),
    ] = False,
    unit: Unit = None,
    repeats: Repeats = None,
) -> None:
    """Run Redis, the learner and the scorer on this machine.

    Events go in by Track, slates come out by Recommend; nothing else need be installed. What was
    tracked and learnt stays in the data directory. With Kafka's brokers set, events come from its
    topics, and what is tracked goes there. A part that crashes is started again; Ctrl-C ends all
    in order.

    \b
    Examples:
      rillrec up
      rillrec up --port 6000 --data-dir ./data
      rillrec up --config rillrec.toml --model shop
      rillrec up --kafka 127.0.0.1:9092
      rillrec up --broker
    """
    if broker and kafka:
        raise typer.BadParameter("say either --broker, or where one is by --kafka")
    need_flow_extra("up")
    from rillrec.signals import orderly_end

    settings = settings_of(
        config,
        data_dir=data_dir,
        model=model,
        serve={"host": host, "port": port},
        stream={"unit": unit, "repeats": repeats},
        kafka={"brokers": kafka},
    )
    with orderly_end() as ending:
        if not broker:
            _run(settings, ending.check)
            return
        from rillrec.local_kafka import local_kafka

        with local_kafka(settings, tell=_tell) as own:

            def check() -> None:
                ending.check()
                own.watch()

            _run(own.settings, check)


def _run(settings: Settings, check: Callable[[], None]) -> None:
    from rillrec.local import Local

    with Local(settings, tell=_tell, tell_line=_tell, check=check) as local:
        _announce(local)
        local.wait_until_ready()
        _tell(f"ready: the scorer listens on {local.address} (gRPC); Ctrl-C ends it")
        while True:
            local.watch()
            time.sleep(0.2)


def _announce(local: Local) -> None:
    settings = local.settings
    own = bool(settings.store.redis_url.get_secret_value())
    where = "redis_url of the settings" if own else local.redis_url
    _tell(f"model   {settings.model.name}")
    _tell(f"events  {f'Kafka at {brokers}' if (brokers := settings.kafka.brokers) else 'in Redis'}")
    _tell(f"redis   {where}")
    if not own:
        _tell(f"data    {settings.store.data_dir}")
    _tell(f"scorer  {local.address}")


def _tell(line: str) -> None:
    typer.echo(line)
