"""``rillrec explain`` and ``rillrec diagnose``: why is this in the slate, or not?"""

from __future__ import annotations

from typing import Annotated

import typer

from rillrec.exits import FOUND
from rillrec.options import AsJson, ConfigFile, settings_of

User = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]
Item = Annotated[str, typer.Argument(metavar="ITEM", help="The item's id.")]
Length = Annotated[int, typer.Option("--k", min=1, max=1_000, help="The length of the slate.")]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--context",
        metavar="FIELD=VALUE",
        help="A field of the request's context, such as age=34 or region=de. Repeat it for more.",
        show_default=False,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="The scorer [default: serve.host and serve.port of the settings].",
        show_default=False,
    ),
]


def explain(
    user: User,
    item: Item,
    k: Length = 20,
    context: Fields = None,
    address: Address = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell why an item is in a user's slate, or why it is not.

    Asks the scorer which sources propose it, from which past items, what each feature adds to the
    score, and which rules moved it or removed it.

    \b
    Examples:
      rillrec explain ann tea
      rillrec explain ann whisky --context age=34 --context region=de
      rillrec explain ann tea --json | jq '.explanation.features[:3]'
    """
    from rillrec.client import Client
    from rillrec.explained import lines_of

    with Client(address or _address(config)) as client:
        said = client.explain(user, item, k, context=_fields(context))
    if as_json:
        _print_json(said)
        return
    for line in lines_of(said):
        typer.echo(line)


def diagnose(
    user: User,
    k: Length = 20,
    context: Fields = None,
    address: Address = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Walk the stages of a user's slate, and name the one at fault.

    From the items and the history over hard rules, candidates, features and ranking to the rules,
    with counts. Exits with 1 where a stage is at fault: the slate is short, or degraded.

    \b
    Examples:
      rillrec diagnose ann
      rillrec diagnose ann --k 50 --context region=de
      rillrec diagnose ann --json | jq -r .diagnosis.fault
    """
    from rillrec.client import Client
    from rillrec.explained import diagnosis_lines

    with Client(address or _address(config)) as client:
        said = client.diagnose(user, k, context=_fields(context))
    if as_json:
        _print_json(said)
    else:
        for line in diagnosis_lines(said):
            typer.echo(line)
    if said.diagnosis.fault:
        raise typer.Exit(FOUND)


def _print_json(said: object) -> None:
    import msgspec

    typer.echo(msgspec.json.encode(said))


def _address(config: ConfigFile) -> str:
    serve = settings_of(config).serve
    return f"{'127.0.0.1' if serve.host in ('0.0.0.0', '::') else serve.host}:{serve.port}"


def _fields(said: list[str] | None) -> dict[str, str]:
    fields = {}
    for text in said or []:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise typer.BadParameter(
                f"{text!r} is not of the form FIELD=VALUE, such as region=de",
                param_hint="--context",
            )
        fields[name] = value
    return fields
