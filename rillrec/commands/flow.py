"""``rillrec flow``: the dataflow alone."""

from __future__ import annotations

import typer

from rillrec.exits import OK
from rillrec.options import (
    ConfigFile,
    DataDir,
    ModelName,
    Parent,
    Repeats,
    Unit,
    need_flow_extra,
    settings_of,
)


def flow(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    model: ModelName = None,
    unit: Unit = None,
    repeats: Repeats = None,
    parent: Parent = None,
) -> None:
    """Learn from the event log, and publish the model.

    One flow at a time may write a model. Ctrl-C or SIGTERM ends it in order: what was read is
    learnt and published first. After a crash it goes on where it was, and counts nothing twice.

    \b
    Examples:
      rillrec flow
      rillrec flow --model shop --config rillrec.toml
      RILLREC_STORE__REDIS_URL=redis://redis:6379 rillrec flow
    """
    from rillrec.parent import end_with_parent

    end_with_parent(parent)
    need_flow_extra("flow")
    from rillrec.logs import log_to_stderr
    from rillrec.stores import store_of

    settings = settings_of(
        config, data_dir=data_dir, model=model, stream={"unit": unit, "repeats": repeats}
    )
    log_to_stderr()
    with store_of(settings) as store:
        from rillrec.learning import learn_from_log

        typer.echo(f"model {settings.model.name!r} learns from the event log at {store.address}")
        code = learn_from_log(settings, store)
    if code != OK:
        raise typer.Exit(code)
