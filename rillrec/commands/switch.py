"""``rillrec switch``: a name stands for another model from now on."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from rillrec.options import ConfigFile, DataDir, ModelName, settings_of


def switch(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="The model to serve from now on.", show_default=False
        ),
    ] = None,
    back: Annotated[
        bool, typer.Option("--back", help="Serve the model again that was served before.")
    ] = False,
    model: ModelName = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Have a name stand for another model.

    Flow and scorers of --model go over to that one's users, items and positions within about a
    second, from one whole model to the other. The flow goes on where that model stands, so that it
    learns what happened since, too; until it has caught up, slates are as old as that. The model
    that was served before stays as it is, but for users who are forgotten.

    Where the other model was built with another --unit, --repeats or [stream], the flow needs
    these as well: end it, switch, and start it with them.

    \b
    Examples:
      rillrec switch shop-2 --model shop
      rillrec switch --back --model shop
    """
    if back == (name is not None):
        raise typer.BadParameter("say either the NAME of a model, or --back")
    from rillrec.stores import redis_of
    from rillrec.switching import former_of, switch, told
    from serving.store.wire import Wire

    settings = settings_of(config, data_dir=data_dir, model=model)
    with redis_of(settings) as url, closing(Wire(url, timeout_s=5.0)) as wire:
        to = former_of(settings, wire) if name is None else name
        former = switch(settings, url, wire, to)
    typer.echo(told(settings.model.name, to, former))
