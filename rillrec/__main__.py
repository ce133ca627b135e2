"""The command line ``rillrec``: it wires the parts and does nothing itself."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from rillrec.commands.backfill import backfill
from rillrec.commands.bench import bench
from rillrec.commands.broker import broker
from rillrec.commands.demo import demo
from rillrec.commands.doctor import doctor
from rillrec.commands.explain import diagnose, explain
from rillrec.commands.flow import flow
from rillrec.commands.forgotten import forgotten
from rillrec.commands.produce import produce
from rillrec.commands.replay import replay
from rillrec.commands.schema import schema
from rillrec.commands.serve import serve
from rillrec.commands.switch import switch
from rillrec.commands.topics import topics
from rillrec.commands.up import up
from rillrec.commands.validate import validate
from rillrec.exits import MEANINGS, code_of
from schemas.errors import RillrecError

CODES = "\n".join(f"  {code:<4}{meaning}" for code, meaning in MEANINGS.items())
HELP = f"""Rillrec: a streaming recommender that learns from every click.

\b
Examples:
  rillrec demo                            watch it learn from simulated visitors
  rillrec up                              Redis, learner and scorer, on this machine
  rillrec replay clicks.csv.gz            how well would it have predicted these?
  rillrec validate clicks.csv.gz          what would be refused, and why?
  rillrec doctor                          is everything as it should be?
  rillrec explain ann tea                 why is tea in ann's slate, or why not?
  rillrec broker                          a Kafka broker to try things with

\b
Exit codes:
{CODES}

Settings come from options, over RILLREC_SECTION__KEY in the environment, over rillrec.toml.
"""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
app = typer.Typer(
    name="rillrec",
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=CONTEXT,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"rillrec {version('rillrec')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


for command in (
    demo,
    up,
    replay,
    validate,
    doctor,
    explain,
    diagnose,
    flow,
    serve,
    schema,
    broker,
    produce,
    forgotten,
    backfill,
    switch,
):
    app.command(context_settings=CONTEXT)(command)
app.add_typer(topics)
app.add_typer(bench)


def main() -> None:
    """Run the command line, and end the process with the exit code that its help explains."""
    # Servers are started while clients of gRPC live. Its handlers of forks take part in that, and
    # have been seen to abort the child before it became a server.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        app()
    except RillrecError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(code_of(error))


if __name__ == "__main__":
    main()
