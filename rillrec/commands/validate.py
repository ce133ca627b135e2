"""``rillrec validate``: what would be refused, and why?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rillrec.exits import FOUND
from rillrec.options import (
    AsJson,
    Columns,
    ConfigFile,
    EventFile,
    MinValue,
    columns_said,
    need_flow_extra,
    settings_of,
)

if TYPE_CHECKING:
    from rillrec.validating import Verdict


def validate(
    file: EventFile,
    min_value: MinValue = None,
    column: Columns = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Read only so many rows.", show_default=False)
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell what would be refused of a file, and why.

    Learns and stores nothing. Says which column it takes for what, and shows the first rows of
    each reason. Exits with 1 where something would be refused.

    \b
    Examples:
      rillrec validate clicks.csv.gz
      rillrec validate log.jsonl --map user_id=who
      rillrec validate clicks.csv --json | jq '.refusals[].reason'
    """
    need_flow_extra("validate")
    settings = settings_of(config)
    from flows.sources.file import FileSource
    from rillrec.progress import RowsBar
    from rillrec.validating import Validation

    source = FileSource(file, mapping=columns_said(column), min_value=min_value, limit=limit)
    validation = Validation(source, settings.stream.rules())
    with RowsBar(source, validation.tally, name=file.name):
        verdict = validation.run()
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(verdict), indent=2))
    else:
        _print(verdict)
    if verdict.refused:
        raise typer.Exit(FOUND)


def _print(verdict: Verdict) -> None:
    typer.echo(verdict.columns)
    typer.echo(
        f"{verdict.rows:,} rows: {verdict.accepted:,} accepted, {verdict.refused:,} refused, "
        f"{verdict.duplicates:,} duplicates, {verdict.filtered:,} filtered"
    )
    for refusal in verdict.refusals:
        typer.secho(f"\n{refusal.reason}: {refusal.rows:,} rows", bold=True)
        for example in refusal.examples:
            typer.echo(f"  line {example.line:,}: {example.message}")
            typer.secho(f"    {example.begins!r:.110}", dim=True)
